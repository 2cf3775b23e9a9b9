// Does a host run this global unit? The engine's answer, from the picture, to what globals.ts decides on the host.
// Invariant: the two agree whenever the host has seen the same records.
import type { MachineEntry, UnitEntry } from './entries.ts';
import { refusesFacts } from './machine-filters.ts';
import { GLOBAL } from './pattern-index.ts';
import type { Relations } from './relations.ts';

/** Of the picture: how units refer to each other. */
interface Related {
  readonly relations: Relations;
}

/** Says whether the machine runs the active global unit: by its facts, beside what is placed there and the globals before it. */
export function globalRunsOn(picture: Related, global: UnitEntry, machine: MachineEntry): boolean {
  return runs(picture, global, machine, new Map());
}

function runs(
  picture: Related,
  global: UnitEntry,
  machine: MachineEntry,
  known: Map<UnitEntry, boolean>,
): boolean {
  const before = known.get(global);
  if (before !== undefined) return before;
  const answer = decide();
  known.set(global, answer);
  return answer;

  function decide(): boolean {
    const { needs } = global;
    if (!global.globalActive) return false;
    if (refusesFacts(needs, machine) !== undefined) return false;
    const { conflicts, replaces } = picture.relations;
    if (!isEmpty(conflicts.namedBy(global, machine, machine))) return false;
    for (const rivals of [
      conflicts.naming(global, machine, machine),
      replaces.naming(global, machine, machine),
    ])
      for (const [rival] of rivals) if (isToldOf(machine, rival)) return false;
    for (const rivals of [
      conflicts.namedBy(global, GLOBAL, machine),
      conflicts.naming(global, GLOBAL, machine),
    ])
      for (const [rival] of rivals)
        if (rival.name < global.name && runs(picture, rival, machine, known)) return false;
    return true;
  }
}

/**
 * The host goes by its own copy of a unit. Of a version that the unit cannot stay with it is never told, and of another not yet; a unit
 * that is only to come has no copy, and one that cannot be understood changes nothing.
 */
function isToldOf({ id }: MachineEntry, { unit, malformed, assignments }: UnitEntry): boolean {
  const copy = assignments.get(id)?.assignment;
  return copy === undefined || unit === undefined || malformed || copy.hash === unit.hash;
}

function isEmpty(items: Iterator<unknown>): boolean {
  return items.next().done === true;
}
