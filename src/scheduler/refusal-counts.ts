// How many machines refuse a unit, and with what: the indexes count those that they tell apart, and only the rest is asked.
// Invariant: the counts are those that asking every machine would give, as long as `FILTERS.take` speaks in its order.
import type { MachineId } from '../model/machine.ts';
import type { RefusalKind } from '../model/refusal.ts';
import type { Requirements } from '../model/requirements.ts';
import type { ClusterPicture } from './cluster.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import type { Filters } from './filters.ts';
import { refusalOf } from './filters.ts';
import { refusesMetadata } from './machine-filters.ts';
import { rarestOf } from './place.ts';

/** Refusals of all candidates, by kind. */
export type RefusalCounts = ReadonlyMap<RefusalKind, number>;

/** Counts what the candidates say of a unit that none of them takes. */
export function countRefusals(
  picture: ClusterPicture,
  unit: UnitEntry,
  filters: Filters,
): RefusalCounts {
  const count = new Count(picture, unit, filters);
  const { candidates } = picture;
  const { needs } = unit;
  // What it asks for may be another thing on each machine.
  if (needs.perMachine !== undefined) count.ask(candidates.all());
  else if (needs.machineId !== undefined) countById(count, picture, needs.machineId);
  else if (needs.metadata.length === 0) {
    countFitting(count, needs, { machines: candidates.all(), size: candidates.size });
  } else {
    const { key, values } = rarestOf(candidates, needs.metadata);
    const machines = candidates.withMetadata(key, values);
    const size = candidates.countWith(key, values);
    count.add('metadata', candidates.size - size);
    if (needs.metadata.length > 1) count.ask(machines);
    else countFitting(count, needs, { machines, size });
  }
  return count.counts;
}

/** Candidates whose id and metadata fit. */
interface Fitting {
  readonly machines: Iterable<MachineEntry>;
  readonly size: number;
}

function countById(count: Count, { candidates }: ClusterPicture, id: MachineId | string): void {
  const named = [...candidates.withId(id)];
  count.add('machine-id', candidates.size - named.length);
  count.ask(named);
}

function countFitting(count: Count, needs: Requirements, fitting: Fitting): void {
  const { picture, unit } = count;
  for (const name of needs.machineOf) {
    const peer = picture.unit(name);
    if (peer?.globalActive === true) continue;
    const at = peer?.at;
    const fits = at?.candidate === true && refusesMetadata(needs, at) === undefined;
    const there = at !== undefined && fits ? [at] : [];
    count.add('machine-of', fitting.size - there.length);
    return count.ask(there);
  }
  const rivals = new Set(picture.relations.conflicts.machinesWith(unit));
  for (const machine of fitting.machines)
    if (needs.machineOf.length === 0 && rivals.has(machine)) count.add('conflict', 1);
    else count.ask([machine]);
}

class Count {
  readonly counts = new Map<RefusalKind, number>();
  readonly picture: ClusterPicture;
  readonly unit: UnitEntry;
  readonly #filters: Filters;

  constructor(picture: ClusterPicture, unit: UnitEntry, filters: Filters) {
    this.picture = picture;
    this.unit = unit;
    this.#filters = filters;
  }

  add(kind: RefusalKind, machines: number): void {
    if (machines > 0) this.counts.set(kind, (this.counts.get(kind) ?? 0) + machines);
  }

  ask(machines: Iterable<MachineEntry>): void {
    for (const machine of machines) {
      const refusal = refusalOf(this.#filters.take, this.unit, machine, this.picture);
      if (refusal !== undefined) this.add(refusal.kind, 1);
    }
  }
}
