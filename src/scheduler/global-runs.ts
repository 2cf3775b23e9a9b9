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
    if (!isEmpty(conflicts.naming(global, machine, machine))) return false;
    if (!isEmpty(replaces.naming(global, machine, machine))) return false;
    for (const rivals of [
      conflicts.namedBy(global, GLOBAL, machine),
      conflicts.naming(global, GLOBAL, machine),
    ])
      for (const [rival] of rivals)
        if (rival.name < global.name && runs(picture, rival, machine, known)) return false;
    return true;
  }
}

function isEmpty(items: Iterator<unknown>): boolean {
  return items.next().done === true;
}
