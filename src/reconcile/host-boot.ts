// What a host may start after a boot when it has not reached the store: from what it was asked for last, by its own disk.
// Invariant: a unit that another host may have been given meanwhile is started only where its file asks for that.
import { refusesMachineId, type MachineFacts } from '../scheduler/machine-filters.ts';
import type { UnitName, UnitTarget } from '../model/unit.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';
import type { Wanted } from './host-picture.ts';

/** Global units and units that are pinned to this machine, unless they say no; others where they say yes (`BootWithoutStore=`). */
export function mayBootWithoutStore(
  { name, options }: UnitTarget,
  machine: Pick<MachineFacts, 'id' | 'hostname'>,
): boolean {
  const needs = requirementsOf(name, options).ok;
  if (needs === undefined || needs.onPartition === 'stop') return false;
  const isPinned =
    needs.machineId !== undefined &&
    refusesMachineId(needs, { ...machine, metadata: {} }) === undefined;
  return needs.bootWithoutStore ?? (needs.global || isPinned);
}

/** The same with what is on the disk: what must not start, and what was to go, is left as it is until the store says what it is to be. */
export function wantedWithoutStore(
  wanted: ReadonlyMap<UnitName, Wanted>,
  machine: Pick<MachineFacts, 'id' | 'hostname'>,
): ReadonlyMap<UnitName, Wanted> {
  return new Map(
    [...wanted].map(([name, one]): [UnitName, Wanted] => {
      const starts = one.kind === 'keep' && mayBootWithoutStore(one.target, machine);
      return [name, starts ? one : { kind: 'leave' }];
    }),
  );
}
