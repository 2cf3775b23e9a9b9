// Why no machine takes a unit: every machine asked, refusals counted by kind, a few machines named.
// Invariant: the same picture gives the same record, so that it is written only when it says something new.
import { PENDING_MACHINES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Pending, Refusal, RefusalKind } from '../model/refusal.ts';
import { peerCircle } from './circles.ts';
import type { ClusterPicture } from './cluster.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import type { Filters } from './filters.ts';
import { FILTERS, refusalOf } from './filters.ts';

/** Asks all machines that are present or leaving. */
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
  const counts = new Map<RefusalKind, number>();
  const named: { machine: MachineId; refusal: Refusal }[] = [];
  const leaving = picture.leaving();
  let asked = 0;
  for (const machine of byId(picture.candidates.byId(), leaving)) {
    asked += 1;
    const refusal = refusalOf(filters.take, unit, machine, picture);
    if (refusal === undefined) continue;
    counts.set(refusal.kind, (counts.get(refusal.kind) ?? 0) + 1);
    if (named.length < PENDING_MACHINES_MAX) named.push({ machine: machine.id, refusal });
  }
  if (asked === 0) return pendingBecause(unit, 'no-machines');
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
