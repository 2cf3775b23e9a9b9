// Why no machine takes a unit: refusals counted by kind, a few machines named.
// Invariant: the same picture gives the same record, so that it is written only when it says something new.
import { PENDING_MACHINES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Pending, Refusal } from '../model/refusal.ts';
import { peerCircle } from './circles.ts';
import type { ClusterPicture } from './cluster.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import type { Filters } from './filters.ts';
import { FILTERS, refusalOf } from './filters.ts';
import { countRefusals } from './refusal-counts.ts';

/** What the machines that are present or leaving say of a unit that none of them takes. */
export function whyNot(
  picture: ClusterPicture,
  unit: UnitEntry,
  filters: Filters = FILTERS,
): Pending {
  const circle = peerCircle(picture, unit);
  if (circle !== undefined)
    return {
      ...pendingBecause(unit, 'circle'),
      circle: circle.slice(0, PENDING_MACHINES_MAX),
    };
  const leaving = picture.leaving();
  if (picture.candidates.size + leaving.length === 0) return pendingBecause(unit, 'no-machines');
  const named: { machine: MachineId; refusal: Refusal }[] = [];
  for (const machine of byId(picture.candidates.byId(), leaving)) {
    if (named.length === PENDING_MACHINES_MAX) break;
    const refusal = refusalOf(filters.take, unit, machine, picture);
    if (refusal !== undefined) named.push({ machine: machine.id, refusal });
  }
  const counts = new Map(countRefusals(picture, unit, filters));
  if (leaving.length > 0) counts.set('leaving', leaving.length);
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return { ...pendingBecause(unit), counts: Object.fromEntries(sorted), machines: named };
}

/** A record that names no machine. */
export function pendingBecause(unit: UnitEntry, reason?: Pending['reason']): Pending {
  const generation = unit.unit?.generation ?? 0;
  const bare = { name: unit.name, generation, counts: {}, machines: [] };
  return reason === undefined ? bare : { ...bare, reason };
}

/** Says whether two records say the same, whatever the order of their fields. */
export function samePending(a: Pending | undefined, b: Pending | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonical(a) === canonical(b);
}

function canonical(pending: Pending): string {
  return JSON.stringify(pending, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Two lists, both lowest id first, as one. The leaving ones are few. */
function* byId(
  present: Iterable<MachineEntry>,
  leaving: readonly MachineEntry[],
): IterableIterator<MachineEntry> {
  let next = 0;
  for (const machine of present) {
    for (let other = leaving[next]; other !== undefined && other.id < machine.id;) {
      yield other;
      other = leaving[(next += 1)];
    }
    yield machine;
  }
  yield* leaving.slice(next);
}
