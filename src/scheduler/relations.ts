// How units refer to each other: Conflicts= and Replaces= by pattern, MachineOf= by name, or by pattern where it names the machine.
// Invariant: each question is answered for one unit at one place; none reads all units.
import type { OrderedMap } from '../collections/ordered-map.ts';
import type { Requirements } from '../model/requirements.ts';
import type { UnitName } from '../model/unit.ts';
import type { UnitEntry } from './entries.ts';
import { NO_LINKS } from './entries.ts';
import type { MachineFacts } from './machine-filters.ts';
import type { Meeting } from './pattern-index.ts';
import { matchesOn, meetingsOf, PatternIndex } from './pattern-index.ts';

export class Relations {
  readonly conflicts: PatternIndex;
  readonly replaces: PatternIndex;
  /** MachineOf= with %H, %l or %m. */
  readonly #follows: PatternIndex;
  readonly #followers = new Map<UnitName, Set<UnitEntry>>();

  /** `units`: all of which anything is known, by name. */
  constructor(units: OrderedMap<UnitEntry>) {
    this.conflicts = new PatternIndex({
      units,
      links: (unit) => unit.conflicts,
      setLinks: (unit, links) => (unit.conflicts = links),
    });
    this.replaces = new PatternIndex({
      units,
      links: (unit) => unit.replaces,
      setLinks: (unit, links) => (unit.replaces = links),
    });
    this.#follows = new PatternIndex({
      units,
      links: (unit) => unit.follows,
      setLinks: (unit, links) => (unit.follows = links),
    });
  }

  /** A unit that is new. */
  add(entry: UnitEntry): void {
    this.conflicts.add(entry);
    this.replaces.add(entry);
    this.#follows.add(entry);
  }

  /** A unit of which no record is left. */
  remove(entry: UnitEntry): void {
    this.conflicts.remove(entry);
    this.replaces.remove(entry);
    this.#follows.remove(entry);
    this.#follow(entry, entry.needs.machineOf, []);
  }

  /** The unit's requirements are to be `needs`; the caller puts them into the entry. */
  declare(entry: UnitEntry, needs: Requirements): void {
    const { perMachine } = needs;
    this.conflicts.declare(entry, needs.conflicts, perMachine?.conflicts);
    this.replaces.declare(entry, needs.replaces, perMachine?.replaces);
    this.#follows.declare(entry, [], perMachine?.machineOf);
    this.#follow(entry, entry.needs.machineOf, needs.machineOf);
  }

  /** Runs `change`, which changes where the unit is met. */
  remeet(entry: UnitEntry, change: () => void): void {
    if (!isRelated(entry) && entry.follows === NO_LINKS) return change();
    const before = meetingsOf(entry);
    change();
    const after = meetingsOf(entry);
    for (const place of before) {
      if (after.includes(place)) continue;
      this.conflicts.leave(entry, place);
      this.replaces.leave(entry, place);
      this.#follows.leave(entry, place);
    }
    for (const place of after) {
      if (before.includes(place)) continue;
      this.conflicts.enter(entry, place);
      this.replaces.enter(entry, place);
      this.#follows.enter(entry, place);
    }
  }

  /** Units that name this one in MachineOf=, or do so on some machine. */
  followers(entry: UnitEntry): Iterable<UnitEntry> {
    const named = this.#followers.get(entry.name) ?? [];
    const { matchedBy } = entry.follows;
    if (matchedBy.length === 0) return named;
    return [...named, ...matchedBy.flatMap(({ declarers }) => [...declarers])];
  }

  /** Whether `unit` replaces `other` on this machine. */
  replacesOn(unit: UnitEntry, other: UnitEntry, machine: MachineFacts): boolean {
    if (other.replaces.matchedBy.length === 0) return false;
    return unit.replaces.declares.some((pattern) => matchesOn(pattern, other.name, machine));
  }

  /** The others that replace `unit` on this machine, wherever they are. */
  *replacersOf(unit: UnitEntry, machine: MachineFacts): IterableIterator<UnitEntry> {
    for (const pattern of unit.replaces.matchedBy) {
      if (!matchesOn(pattern, unit.name, machine)) continue;
      for (const other of pattern.declarers) if (other !== unit) yield other;
    }
  }

  /** The others at `place` with which `entry` conflicts, or of which one replaces the other. */
  relatedAt(entry: UnitEntry, place: Meeting): Iterable<UnitEntry> {
    if (!isRelated(entry)) return [];
    return this.#relatedAt(entry, place);
  }

  *#relatedAt(entry: UnitEntry, place: Meeting): IterableIterator<UnitEntry> {
    for (const index of [this.conflicts, this.replaces]) {
      for (const [other] of index.namedBy(entry, place)) yield other;
      for (const [other] of index.naming(entry, place)) yield other;
    }
  }

  #follow(entry: UnitEntry, before: readonly UnitName[], after: readonly UnitName[]): void {
    for (const peer of before) {
      const followers = this.#followers.get(peer);
      followers?.delete(entry);
      if (followers?.size === 0) this.#followers.delete(peer);
    }
    for (const peer of after)
      this.#followers.set(peer, (this.#followers.get(peer) ?? new Set()).add(entry));
  }
}

/** Whether it names others in Conflicts= or Replaces=, or others name it. Most units do not. */
export function isRelated(entry: UnitEntry): boolean {
  return entry.conflicts !== NO_LINKS || entry.replaces !== NO_LINKS;
}
