// The machines that may take units, in order of load, as a whole and for each metadata value that units ask for.
// Invariant: the first machine of an order is the least loaded one with the lowest id; finding it reads no other.
import type { MachineId } from '../model/machine.ts';
import type { MachineEntry } from './entries.ts';
import { SHORT_ID_DIGITS } from './machine-filters.ts';
import { SortedList } from '../collections/sorted-list.ts';

/** Machines with one value of one metadata key. */
interface Pair {
  readonly members: Set<MachineEntry>;
  /** Kept only where somebody asked and the members are many. */
  ordered: SortedList<MachineEntry> | undefined;
}

/** Up to so many machines are sorted when asked for; more are kept in order. */
const SORTED_ON_DEMAND_MAX = 16;

export class MachineIndex {
  readonly #byLoad = new SortedList<MachineEntry>(byLoad);
  readonly #byId = new SortedList<MachineEntry>(byId);
  readonly #byShortId = new Map<string, Set<MachineEntry>>();
  readonly #pairs = new Map<string, Pair>();
  /** The orders that each candidate stands in, beside those of all. */
  readonly #orders = new Map<MachineEntry, SortedList<MachineEntry>[]>();

  /** Machines that may take units. */
  get size(): number {
    return this.#byLoad.size;
  }

  /** Takes in a machine that has become a candidate. Its load and metadata stay as they are until `remove`, but for `reload`. */
  add(machine: MachineEntry): void {
    this.#byLoad.add(machine);
    this.#byId.add(machine);
    const short = machine.id.slice(0, SHORT_ID_DIGITS);
    this.#byShortId.set(short, (this.#byShortId.get(short) ?? new Set()).add(machine));
    const orders = [this.#byLoad];
    for (const key of pairsOf(machine)) {
      let pair = this.#pairs.get(key);
      if (pair === undefined) this.#pairs.set(key, (pair = newPair()));
      pair.members.add(machine);
      if (pair.ordered === undefined) continue;
      pair.ordered.add(machine);
      orders.push(pair.ordered);
    }
    this.#orders.set(machine, orders);
  }

  remove(machine: MachineEntry): void {
    for (const order of this.#orders.get(machine) ?? []) order.delete(machine);
    this.#orders.delete(machine);
    this.#byId.delete(machine);
    const short = machine.id.slice(0, SHORT_ID_DIGITS);
    const alike = this.#byShortId.get(short);
    alike?.delete(machine);
    if (alike?.size === 0) this.#byShortId.delete(short);
    for (const key of pairsOf(machine)) {
      const pair = this.#pairs.get(key);
      pair?.members.delete(machine);
      if (pair?.members.size === 0) this.#pairs.delete(key);
    }
  }

  /** Changes the load of a machine and its place in each order. */
  reload(machine: MachineEntry, load: number): void {
    if (load === machine.load) return;
    if (!machine.candidate) {
      machine.load = load;
      return;
    }
    const orders = this.#orders.get(machine) ?? [];
    for (const order of orders) order.delete(machine);
    machine.load = load;
    for (const order of orders) order.add(machine);
  }

  /** All candidates, least loaded first. */
  all(): Iterable<MachineEntry> {
    return this.#byLoad;
  }

  /** All candidates, lowest id first. */
  byId(): Iterable<MachineEntry> {
    return this.#byId;
  }

  /** Candidates whose id is `id`, or begins with it if that is a short one. */
  withId(id: MachineId | string): Iterable<MachineEntry> {
    const alike = this.#byShortId.get(id.slice(0, SHORT_ID_DIGITS)) ?? [];
    const found = [...alike].filter((machine) => machine.id.startsWith(id));
    return found.sort(byLoad);
  }

  /** How many candidates have one of the values. */
  countWith(key: string, values: readonly string[]): number {
    let count = 0;
    for (const value of values) count += this.#pairs.get(pairKey(key, value))?.members.size ?? 0;
    return count;
  }

  /** Candidates that have one of the values, least loaded first. */
  withMetadata(key: string, values: readonly string[]): Iterable<MachineEntry> {
    const orders: Iterable<MachineEntry>[] = [];
    for (const value of values) {
      const pair = this.#pairs.get(pairKey(key, value));
      if (pair !== undefined) orders.push(this.#orderOf(pair));
    }
    const [only] = orders;
    if (only !== undefined && orders.length === 1) return only;
    return merged(orders);
  }

  #orderOf(pair: Pair): Iterable<MachineEntry> {
    if (pair.ordered !== undefined) return pair.ordered;
    if (pair.members.size <= SORTED_ON_DEMAND_MAX) return [...pair.members].sort(byLoad);
    pair.ordered = new SortedList<MachineEntry>(byLoad);
    for (const machine of pair.members) {
      pair.ordered.add(machine);
      this.#orders.get(machine)?.push(pair.ordered);
    }
    return pair.ordered;
  }
}

function byLoad(a: MachineEntry, b: MachineEntry): number {
  return a.load === b.load ? byId(a, b) : a.load - b.load;
}

function byId(a: MachineEntry, b: MachineEntry): number {
  if (a === b) return 0;
  return a.id < b.id ? -1 : 1;
}

function newPair(): Pair {
  return { members: new Set(), ordered: undefined };
}

function* pairsOf(machine: MachineEntry): IterableIterator<string> {
  for (const key of Object.keys(machine.metadata)) yield pairKey(key, machine.metadata[key] ?? '');
}

function pairKey(key: string, value: string): string {
  return `${key}\0${value}`;
}

/** Several orders as one. A machine has one value of a key, so none comes twice. */
function* merged(orders: readonly Iterable<MachineEntry>[]): IterableIterator<MachineEntry> {
  const heads = orders.map((order) => {
    const rest = order[Symbol.iterator]();
    return { rest, next: rest.next() };
  });
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.next.done === true) continue;
      if (
        first === undefined ||
        first.next.done === true ||
        byLoad(head.next.value, first.next.value) < 0
      )
        first = head;
    }
    if (first === undefined || first.next.done === true) return;
    yield first.next.value;
    first.next = first.rest.next();
  }
}
