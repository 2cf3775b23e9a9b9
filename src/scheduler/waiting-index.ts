// The units that wait for a machine, filed under what a machine must have for them.
// Invariant: a machine that joins finds every waiting unit whose own requirements it fulfils, and few others.
import { PENDING_MACHINES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Pending } from '../model/refusal.ts';
import type { Requirements } from '../model/requirements.ts';
import type { UnitName } from '../model/unit.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import { SHORT_ID_DIGITS } from './machine-filters.ts';

export class WaitingIndex {
  readonly #under = new Map<string, Set<UnitEntry>>();
  readonly #all = new Set<UnitEntry>();
  /** By the units of the circle that an explanation names. */
  readonly #held = new Map<UnitName, Set<UnitEntry>>();
  readonly #heldBy = new Map<UnitEntry, ReadonlySet<UnitName>>();

  /** Files the unit anew; takes it out where it waits no longer. */
  file(entry: UnitEntry): void {
    for (const key of entry.waitingUnder) this.#under.get(key)?.delete(entry);
    this.#hold(entry);
    if (entry.pending === undefined) {
      this.#all.delete(entry);
      entry.waitingUnder = NOWHERE;
      return;
    }
    this.#all.add(entry);
    entry.waitingUnder = keysOf(entry.needs);
    for (const key of entry.waitingUnder)
      this.#under.set(key, (this.#under.get(key) ?? new Set()).add(entry));
  }

  /** Units that wait because of a circle in which this one is. */
  heldBy(name: UnitName): Iterable<UnitEntry> {
    return this.#held.get(name) ?? [];
  }

  /** Units that the machine might take. */
  *thatMightTake(machine: MachineEntry): IterableIterator<UnitEntry> {
    yield* this.#under.get(ANY) ?? [];
    yield* this.#under.get(idKey(machine.id)) ?? [];
    yield* this.#under.get(idKey(machine.id.slice(0, SHORT_ID_DIGITS))) ?? [];
    for (const [key, value] of Object.entries(machine.metadata))
      yield* this.#under.get(metadataKey(key, value)) ?? [];
  }

  /**
   * Units whose explanation a change of the machine makes untrue: it names the machine, or it names all that there are. Where there
   * are more machines than are named, one more or less only changes a count, and that is not worth asking all of them again.
   */
  *explainedBy(id: MachineId): IterableIterator<UnitEntry> {
    for (const entry of this.#all) {
      const machines = entry.pending?.machines ?? [];
      if (machines.length < PENDING_MACHINES_MAX || machines.some(({ machine }) => machine === id))
        yield entry;
    }
  }

  #hold(entry: UnitEntry): void {
    for (const name of this.#heldBy.get(entry) ?? []) {
      const held = this.#held.get(name);
      held?.delete(entry);
      if (held?.size === 0) this.#held.delete(name);
    }
    this.#heldBy.delete(entry);
    const names = entry.pending === undefined ? undefined : circleOf(entry.pending);
    if (names === undefined) return;
    this.#heldBy.set(entry, names);
    for (const name of names) this.#held.set(name, (this.#held.get(name) ?? new Set()).add(entry));
  }
}

function circleOf({ circle = [], machines }: Pending): ReadonlySet<UnitName> | undefined {
  const names = new Set(circle);
  for (const { refusal } of machines)
    if (refusal.kind === 'replaces') for (const name of refusal.circle ?? []) names.add(name);
  return names.size === 0 ? undefined : names;
}

const NOWHERE: readonly string[] = [];
const ANY = '*';
const UNDER_ANY: readonly string[] = [ANY];

/** One requirement is enough to file by: the rest is asked when the unit is decided. */
function keysOf(needs: Requirements): readonly string[] {
  if (needs.machineId !== undefined) return [idKey(needs.machineId)];
  const [first] = needs.metadata;
  if (first !== undefined) return first.values.map((value) => metadataKey(first.key, value));
  return UNDER_ANY;
}

function idKey(id: string): string {
  return `id ${id}`;
}

function metadataKey(key: string, value: string): string {
  return `metadata ${key}\0${value}`;
}
