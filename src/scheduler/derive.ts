// What follows from a unit's records.
// Invariant: pure; the same records give the same answers in whatever order they came.
import type { MachineId } from '../model/machine.ts';
import type { Requirements } from '../model/requirements.ts';
import { NO_REQUIREMENTS } from '../model/requirements.ts';
import type { UnitOption } from '../model/unit.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import { NO_OPTIONS } from './entries.ts';

/** The unit's requirements, the same object as long as its options say the same; undefined where they cannot be understood. */
export function needsOf(entry: UnitEntry): Requirements | undefined {
  const options = optionsOf(entry);
  if (options === entry.needsFrom || sameOptions(options, entry.needsFrom)) return entry.needs;
  entry.needsFrom = options;
  return options.length === 0 ? NO_REQUIREMENTS : requirementsOf(entry.name, options).ok;
}

/** Where the unit runs by its records. */
export function whereabouts(
  entry: UnitEntry,
  machine: (id: MachineId) => MachineEntry,
): { at: MachineEntry | undefined; releasing: boolean } {
  const { placement, assignments, unreadable } = entry;
  if (placement === undefined) {
    // With an unreadable placement the schedule keys are the next best: it occupies that machine.
    const [first] = unreadable.has('placed') ? assignments.keys() : [];
    return { at: first === undefined ? undefined : machine(first), releasing: false };
  }
  const held = assignments.get(placement.machine);
  const unread = unreadable.has(`schedule/${placement.machine}`);
  // Without its schedule key it is handed over: the machine has stopped it.
  if (held === undefined && !unread) return { at: undefined, releasing: false };
  return {
    at: machine(placement.machine),
    releasing: placement.release || held?.assignment.release === true,
  };
}

/** Says whether nothing is known of the unit any more. */
export function hasNoRecord(entry: UnitEntry): boolean {
  return (
    entry.unit === undefined &&
    entry.placement === undefined &&
    entry.global === undefined &&
    entry.pending === undefined &&
    entry.assignments.size === 0 &&
    entry.unreadable.size === 0
  );
}

/** What a person asked for last; a unit that is only still running goes by what its machine was told. */
function optionsOf(entry: UnitEntry): readonly UnitOption[] {
  if (entry.unit !== undefined) return entry.unit.options;
  if (entry.global !== undefined) return entry.global.options;
  for (const { assignment } of entry.assignments.values()) return assignment.options;
  return entry.placement === undefined ? NO_OPTIONS : entry.needsFrom;
}

/** Says whether two lists of options are the same. */
export function sameOptions(a: readonly UnitOption[], b: readonly UnitOption[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((one, index) => {
    const other = b[index];
    return one.section === other?.section && one.name === other.name && one.value === other.value;
  });
}
