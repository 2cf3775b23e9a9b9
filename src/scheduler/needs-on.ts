// What a unit asks for on one machine: values with %H, %l or %m become texts there, and join the others.
// Invariant: a unit without such values costs nothing; a value that cannot become a text refuses the machine.
import type { Refusal } from '../model/refusal.ts';
import type { PerMachineValues, Requirements } from '../model/requirements.ts';
import type { UnitName } from '../model/unit.ts';
import { metadataOf, quoteGlob } from '../unitfile/fleet-rules.ts';
import { parseUnitName } from '../unitfile/name.ts';
import { expandForMachine } from '../unitfile/specifiers.ts';
import type { MachineFacts } from './machine-filters.ts';

/** Requirements as they are on one machine; `refusal` where a value has no meaning there. */
export interface NeedsOn extends Omit<Requirements, 'perMachine'> {
  readonly refusal?: Refusal;
  /** Ids that the machine must have too. */
  readonly machineIds?: readonly string[];
}

/** All that the unit asks for on this machine. */
export function needsOn(needs: Requirements, machine: MachineFacts): NeedsOn {
  const { perMachine } = needs;
  if (perMachine === undefined) return needs;
  const here = (texts: readonly string[], quote?: (value: string) => string): readonly string[] =>
    texts.map((text) => expandForMachine(text, machine, quote));
  const { names, refusal } = peersFrom(perMachine, machine);
  return {
    ...needs,
    machineIds: here(perMachine.machineId),
    metadata: [...needs.metadata, ...metadataOf(here(perMachine.metadata))],
    machineOf: [...needs.machineOf, ...names],
    conflicts: [...needs.conflicts, ...here(perMachine.conflicts, quoteGlob)],
    replaces: [...needs.replaces, ...here(perMachine.replaces, quoteGlob)],
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** The units that it must be with on this machine. */
export function peersOn(needs: Requirements, machine: MachineFacts): readonly UnitName[] {
  const { perMachine } = needs;
  if (perMachine === undefined) return needs.machineOf;
  return [...needs.machineOf, ...peersFrom(perMachine, machine).names];
}

function peersFrom(
  perMachine: PerMachineValues,
  machine: MachineFacts,
): { names: readonly UnitName[]; refusal?: Refusal } {
  const names: UnitName[] = [];
  for (const value of perMachine.machineOf) {
    const name = parseUnitName(expandForMachine(value, machine)).ok;
    if (name === undefined)
      return { names, refusal: { kind: 'host-name', value, hostname: machine.hostname } };
    names.push(name);
  }
  return { names };
}
