// The filters that need nothing but the unit's requirements and the machine's own facts; hosts use them for global units too.
import type { MachineId, Metadata } from '../model/machine.ts';
import type { Refusal } from '../model/refusal.ts';
import type { Requirements } from '../model/requirements.ts';
import { needsOn } from './needs-on.ts';

/** What a machine says of itself, with the overrides merged into its metadata. */
export interface MachineFacts {
  readonly id: MachineId;
  readonly hostname: string;
  readonly metadata: Metadata;
  /** What it says that it can do, such as to run containers of a runtime; absent: nothing. */
  readonly capabilities?: Readonly<Record<string, string>>;
}

/** Digits of the short form of a machine id that MachineID= takes. */
export const SHORT_ID_DIGITS = 8;

/** MachineID=: the full id or its first 8 digits. */
export function refusesMachineId(needs: Requirements, machine: MachineFacts): Refusal | undefined {
  const refusal = refusesId(needs.machineId, machine);
  if (refusal !== undefined || needs.perMachine === undefined) return refusal;
  const here = needsOn(needs, machine);
  for (const required of here.machineIds ?? []) {
    const other = refusesId(required, machine);
    if (other !== undefined) return other;
  }
  return here.refusal;
}

function refusesId(required: string | undefined, machine: MachineFacts): Refusal | undefined {
  if (required === undefined || required === machine.id) return undefined;
  if (required === machine.id.slice(0, SHORT_ID_DIGITS)) return undefined;
  return { kind: 'machine-id', required, actual: machine.id };
}

/** MachineMetadata=: one of the values of each key; names the first key that does not hold. */
export function refusesMetadata(needs: Requirements, machine: MachineFacts): Refusal | undefined {
  for (const { key, values } of needsOn(needs, machine).metadata) {
    const actual = ownValue(machine.metadata, key);
    if (actual === undefined || !values.includes(actual))
      return { kind: 'metadata', key, required: values, actual };
  }
  return undefined;
}

/** Runtime=: one of those that can run the Quadlet file. */
export function refusesRuntime(
  { runtimes }: Requirements,
  { capabilities = {} }: MachineFacts,
): Refusal | undefined {
  if (runtimes === undefined || runtimes.some((runtime) => Object.hasOwn(capabilities, runtime)))
    return undefined;
  return { kind: 'runtime', required: runtimes.join(' or ') };
}

/** Fence= and OnPartition=stop: machines that can do what the unit asks of its host. */
export function refusesCapability(
  needs: Requirements,
  { capabilities }: MachineFacts,
): Refusal | undefined {
  if (needs.fence !== undefined && capabilities?.['fence'] === undefined)
    return { kind: 'capability', required: 'fence' };
  if (needs.onPartition !== undefined && capabilities?.['cut-off'] === undefined)
    return { kind: 'capability', required: 'cut-off' };
  return undefined;
}

/** All of the above. */
export function refusesFacts(needs: Requirements, machine: MachineFacts): Refusal | undefined {
  return (
    refusesMachineId(needs, machine) ??
    refusesMetadata(needs, machine) ??
    refusesCapability(needs, machine) ??
    refusesRuntime(needs, machine)
  );
}

/** Metadata with overrides by PATCH laid over it; a key whose override has no value is hidden. */
export function mergedMetadata(
  configured: Metadata,
  overrides: ReadonlyMap<string, string | undefined>,
): Metadata {
  if (overrides.size === 0) return configured;
  const merged = new Map(Object.entries(configured));
  for (const [key, value] of overrides) {
    if (value === undefined) merged.delete(key);
    else merged.set(key, value);
  }
  return Object.fromEntries(merged);
}

/** Keys come from people: `constructor` must not find what every object has. */
function ownValue(metadata: Metadata, key: string): string | undefined {
  return Object.hasOwn(metadata, key) ? metadata[key] : undefined;
}
