// Which machines are there, at one revision: what every listing needs to hide the rows of those that are not.
// Invariant: an answer is of exactly the revision asked for, also from the cache.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { Machine, MachineId } from '../model/machine.ts';
import type { UnitState } from '../model/unit-state.ts';
import type { Revision } from '../store/kv.ts';
import type { Registry } from './registry.ts';
import { pagesOf, readRecord } from './registry.ts';

export type Machines = ReadonlyMap<MachineId, Machine>;

/** revisions; the pages of a listing share one, and few listings are under way at once. */
const REVISIONS_KEPT = 4;
/** machines that are read one by one; of more, all are read */
const FEW = 4;

/** The machines of the last few revisions that were asked for, so that pages of one listing read them once. */
export class MachineCache {
  readonly #kept = new Map<Revision, Machines>();
  #reversions = 0;

  /** All machines that were present at `revision`. */
  async at(registry: Registry, revision: Revision, signal: AbortSignal): Promise<Machines> {
    this.#forgetIfReverted(registry);
    const kept = this.#kept.get(revision);
    if (kept !== undefined) return kept;
    const machines = await readMachines(registry, revision, signal);
    this.#kept.set(revision, machines);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > REVISIONS_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return machines;
  }

  /** A store that has gone back comes to the same revision again, with other machines. */
  #forgetIfReverted({ kv }: Registry): void {
    if (kv.reversions === this.#reversions) return;
    this.#reversions = kv.reversions;
    this.#kept.clear();
  }

  /** Of these machines, those that were present at `revision`: what concerns one unit does not read every machine. */
  async those(
    registry: Registry,
    ids: ReadonlySet<MachineId>,
    revision: Revision,
    signal: AbortSignal,
  ): Promise<Machines> {
    this.#forgetIfReverted(registry);
    if (ids.size > FEW || this.#kept.has(revision))
      return await this.at(registry, revision, signal);
    const machines = new Map<MachineId, Machine>();
    for (const id of ids) {
      const key = registry.keys.machine(id);
      const { kvs } = await registry.kv.range(key, { revision, limit: 1 }, signal);
      for (const kv of kvs) {
        const machine = readRecord(registry, 'machine', kv);
        if (machine !== undefined) machines.set(id, machine);
      }
    }
    return machines;
  }
}

async function readMachines(
  registry: Registry,
  revision: Revision,
  signal: AbortSignal,
): Promise<Machines> {
  const machines = new Map<MachineId, Machine>();
  const options = { limit: RANGE_PAGE_KEYS, revision };
  for await (const page of pagesOf(registry, registry.keys.machines, options, signal)) {
    for (const kv of page.kvs) {
      const machine = readRecord(registry, 'machine', kv);
      if (machine !== undefined) machines.set(machine.id, machine);
    }
  }
  return machines;
}

/** Says whether what a host reported still holds: it is there, and has not booted since. */
export function isCurrent(row: UnitState, machines: Machines): boolean {
  return machines.get(row.machine)?.incarnation === row.incarnation;
}
