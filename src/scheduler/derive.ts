// What follows from a unit's records.
// Invariant: pure; the same records give the same answers in whatever order they came.
import type { MachineId } from '../model/machine.ts';
import type { Requirements } from '../model/requirements.ts';
import { NO_REQUIREMENTS } from '../model/requirements.ts';
import type { Assignment, UnitName, UnitOption } from '../model/unit.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';
import { runtimesFor } from '../unitfile/quadlet-name.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import { NO_OPTIONS } from './entries.ts';

/**
 * The unit's requirements, the same object as long as its options say the same. Those that cannot be understood change nothing: its
 * machine goes on running the version before.
 */
export function needsOf(entry: UnitEntry): { needs: Requirements; malformed: boolean } {
  const options = optionsOf(entry);
  const same = options === entry.needsFrom || sameOptions(options, entry.needsFrom);
  if (same && !entry.malformed) return entry;
  entry.needsFrom = options;
  if (options.length === 0) return { needs: bareNeeds(entry.name), malformed: false };
  const needs = requirementsOf(entry.name, options).ok;
  if (needs !== undefined) return { needs, malformed: false };
  return { needs: runningNeeds(entry), malformed: true };
}

/** What a unit without options asks for: a Quadlet file needs what can run it. */
export function bareNeeds(name: UnitName): Requirements {
  const runtimes = runtimesFor(name);
  return runtimes === undefined ? NO_REQUIREMENTS : { ...NO_REQUIREMENTS, runtimes };
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

/** A record that the picture has, or a newer one than it, says nothing new: its own writes come back through the watch. */
export function isOld(known: bigint, before: unknown, after: unknown, revision: bigint): boolean {
  if (before === undefined) return after === undefined;
  return revision <= known;
}

/** Says whether nothing is known of the unit any more. */
export function hasNoRecord(entry: UnitEntry): boolean {
  return (
    entry.unit === undefined &&
    entry.placement === undefined &&
    entry.global === undefined &&
    entry.pending === undefined &&
    entry.assignments.size === 0 &&
    entry.orphans.size === 0 &&
    entry.unreadable.size === 0
  );
}

/** What a person asked for last; a unit that is only still running goes by what its machine was told. */
function optionsOf(entry: UnitEntry): readonly UnitOption[] {
  if (entry.unit !== undefined) return entry.unit.options;
  if (entry.global !== undefined) return entry.global.options;
  for (const { options } of assignmentsOf(entry)) return options;
  return NO_OPTIONS;
}

/** What its machine was told, where that can be understood. */
function runningNeeds(entry: UnitEntry): Requirements {
  for (const { options } of assignmentsOf(entry)) {
    const needs = requirementsOf(entry.name, options).ok;
    if (needs !== undefined) return needs;
  }
  return NO_REQUIREMENTS;
}

/** That of the placement's machine first; the others are what an absent machine still holds. */
function assignmentsOf({ assignments, placement }: UnitEntry): readonly Assignment[] {
  const placed = placement === undefined ? undefined : assignments.get(placement.machine);
  const sorted = [...assignments.values()].sort((a, b) =>
    a === placed || (b !== placed && a.assignment.machine < b.assignment.machine) ? -1 : 1,
  );
  return sorted.map(({ assignment }) => assignment);
}

/** Says whether two lists of options are the same. */
export function sameOptions(a: readonly UnitOption[], b: readonly UnitOption[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((one, index) => {
    const other = b[index];
    return one.section === other?.section && one.name === other.name && one.value === other.value;
  });
}
