// The units that name others by pattern, Conflicts= or Replaces=, and where both sides are.
// Invariant: asking who is related to a unit at one place costs what is related there, never what exists.
import type { OrderedMap } from '../collections/ordered-map.ts';
import type { UnitName } from '../model/unit.ts';
import { quoteGlob } from '../unitfile/fleet-rules.ts';
import type { GlobMatcher } from '../unitfile/glob.ts';
import { compileGlob } from '../unitfile/glob.ts';
import { expandForMachine } from '../unitfile/specifiers.ts';
import type { Links, MachineEntry, UnitEntry } from './entries.ts';
import { NO_LINKS } from './entries.ts';
import type { MachineFacts } from './machine-filters.ts';

/** Where a unit can be met: on a machine, among the units that wait for one, or among the active global units. */
export type Meeting = MachineEntry | typeof WAITING | typeof GLOBAL;
export const WAITING = Symbol('waiting');
export const GLOBAL = Symbol('global');

/** One pattern text, compiled once however many units declare it. */
export interface Pattern {
  readonly text: string;
  /** Of a text with %H, %l or %m: all names that it could match on some machine. */
  readonly matches: GlobMatcher;
  /** The text holds such a specifier: `matchesOn()` says more. */
  readonly perMachine: boolean;
  /** What every match begins with. */
  readonly prefix: string;
  readonly exact: boolean;
  readonly declarers: Set<UnitEntry>;
  /** Units whose names match. */
  readonly targets: Set<UnitEntry>;
  readonly declaredAt: Map<Meeting, Set<UnitEntry>>;
  readonly matchedAt: Map<Meeting, Set<UnitEntry>>;
}

export interface PatternIndexOptions {
  /** All units by name. */
  readonly units: OrderedMap<UnitEntry>;
  links(entry: UnitEntry): Links;
  setLinks(entry: UnitEntry, links: Links): void;
}

export class PatternIndex {
  readonly #options: PatternIndexOptions;
  readonly #patterns = new Map<string, Pattern>();
  /** Patterns with wildcards by prefix, and how many there are of each prefix length. */
  readonly #byPrefix = new Map<string, Set<Pattern>>();
  readonly #prefixLengths = new Map<number, number>();

  constructor(options: PatternIndexOptions) {
    this.#options = options;
  }

  /** A unit that is new: finds the patterns that its name matches. */
  add(entry: UnitEntry): void {
    const matchedBy = this.#patternsFor(entry.name);
    if (matchedBy.length === 0) return;
    const { declares } = this.#options.links(entry);
    this.#options.setLinks(entry, { declares, matchedBy });
    for (const pattern of matchedBy) {
      pattern.targets.add(entry);
      for (const place of meetingsOf(entry)) addTo(pattern.matchedAt, place, entry);
    }
  }

  /** A unit that is gone: it declares nothing any more and is met nowhere. */
  remove(entry: UnitEntry): void {
    this.declare(entry, []);
    for (const pattern of this.#options.links(entry).matchedBy) {
      pattern.targets.delete(entry);
      for (const place of meetingsOf(entry)) deleteFrom(pattern.matchedAt, place, entry);
    }
    this.#options.setLinks(entry, NO_LINKS);
  }

  /** What `entry` declares from now on. `perMachine`: texts with %H, %l or %m. */
  declare(
    entry: UnitEntry,
    texts: readonly string[],
    perMachine: readonly string[] = NO_TEXTS,
  ): void {
    const before = this.#options.links(entry).declares;
    if (before.length === 0 && texts.length === 0 && perMachine.length === 0) return;
    const after = [
      ...texts.map((text) => this.#patterns.get(text) ?? this.#create(text, false)),
      ...perMachine.map((text) => this.#patterns.get(keyOf(text)) ?? this.#create(text, true)),
    ];
    for (const pattern of after) {
      if (pattern.declarers.has(entry)) continue;
      pattern.declarers.add(entry);
      for (const place of meetingsOf(entry)) addTo(pattern.declaredAt, place, entry);
    }
    const { matchedBy } = this.#options.links(entry); // after #create, which may have added to it
    this.#options.setLinks(entry, { declares: after, matchedBy });
    for (const pattern of before) {
      if (after.includes(pattern)) continue;
      pattern.declarers.delete(entry);
      for (const place of meetingsOf(entry)) deleteFrom(pattern.declaredAt, place, entry);
      if (pattern.declarers.size === 0) this.#drop(pattern);
    }
  }

  /** `entry` is met at `place` from now on. */
  enter(entry: UnitEntry, place: Meeting): void {
    const { declares, matchedBy } = this.#options.links(entry);
    for (const pattern of declares) addTo(pattern.declaredAt, place, entry);
    for (const pattern of matchedBy) addTo(pattern.matchedAt, place, entry);
  }

  /** `entry` is no longer met at `place`. */
  leave(entry: UnitEntry, place: Meeting): void {
    const { declares, matchedBy } = this.#options.links(entry);
    for (const pattern of declares) deleteFrom(pattern.declaredAt, place, entry);
    for (const pattern of matchedBy) deleteFrom(pattern.matchedAt, place, entry);
  }

  /** The others at `place` that `entry` names, each with the pattern; with `on`, that it names on this machine. */
  *namedBy(
    entry: UnitEntry,
    place: Meeting,
    on?: MachineFacts,
  ): IterableIterator<readonly [UnitEntry, Pattern]> {
    for (const pattern of this.#options.links(entry).declares)
      for (const other of pattern.matchedAt.get(place) ?? [])
        if (other !== entry && matchesOn(pattern, other.name, on)) yield [other, pattern];
  }

  /** The others at `place` that name `entry`, each with the pattern; with `on`, that name it on this machine. */
  *naming(
    entry: UnitEntry,
    place: Meeting,
    on?: MachineFacts,
  ): IterableIterator<readonly [UnitEntry, Pattern]> {
    for (const pattern of this.#options.links(entry).matchedBy) {
      if (!matchesOn(pattern, entry.name, on)) continue;
      for (const other of pattern.declaredAt.get(place) ?? [])
        if (other !== entry) yield [other, pattern];
    }
  }

  /** Machines where another unit names `entry` or is named by it; patterns that say another thing on each machine are left out. */
  *machinesWith(entry: UnitEntry): IterableIterator<MachineEntry> {
    const { declares, matchedBy } = this.#options.links(entry);
    for (const { perMachine, matchedAt } of declares)
      if (!perMachine) yield* machinesOfOthers(matchedAt, entry);
    for (const { perMachine, declaredAt } of matchedBy)
      if (!perMachine) yield* machinesOfOthers(declaredAt, entry);
  }

  #patternsFor(name: string): readonly Pattern[] {
    const found: Pattern[] = [];
    const same = this.#patterns.get(name);
    if (same?.exact === true) found.push(same);
    for (const length of this.#prefixLengths.keys()) {
      for (const pattern of this.#byPrefix.get(name.slice(0, length)) ?? [])
        if (pattern.prefix.length === length && pattern.matches(name)) found.push(pattern);
    }
    return found;
  }

  #create(text: string, perMachine: boolean): Pattern {
    const prefix = (perMachine ? /^[^*?[\\%]*/ : /^[^*?[\\]*/).exec(text)?.[0] ?? '';
    const pattern: Pattern = {
      text,
      matches: compileGlob(perMachine ? `${prefix}*` : text),
      perMachine,
      prefix,
      exact: !perMachine && prefix === text,
      declarers: new Set(),
      targets: new Set(),
      declaredAt: new Map(),
      matchedAt: new Map(),
    };
    this.#patterns.set(perMachine ? keyOf(text) : text, pattern);
    if (!pattern.exact) {
      const alike = this.#byPrefix.get(prefix) ?? new Set();
      this.#byPrefix.set(prefix, alike.add(pattern));
      this.#prefixLengths.set(prefix.length, (this.#prefixLengths.get(prefix.length) ?? 0) + 1);
    }
    this.#options.units.walk(prefix, (name, entry) => {
      if (!name.startsWith(prefix) || (pattern.exact && name !== text)) return false;
      if (pattern.matches(name)) this.#link(entry, pattern);
      return true;
    });
    return pattern;
  }

  #link(entry: UnitEntry, pattern: Pattern): void {
    const { declares, matchedBy } = this.#options.links(entry);
    this.#options.setLinks(entry, { declares, matchedBy: [...matchedBy, pattern] });
    pattern.targets.add(entry);
    for (const place of meetingsOf(entry)) addTo(pattern.matchedAt, place, entry);
  }

  /** Nobody declares it any more. */
  #drop(pattern: Pattern): void {
    this.#patterns.delete(pattern.perMachine ? keyOf(pattern.text) : pattern.text);
    for (const entry of pattern.targets) {
      const { declares, matchedBy } = this.#options.links(entry);
      const rest = matchedBy.filter((other) => other !== pattern);
      this.#options.setLinks(entry, { declares, matchedBy: rest });
    }
    if (pattern.exact) return;
    const alike = this.#byPrefix.get(pattern.prefix);
    alike?.delete(pattern);
    if (alike?.size === 0) this.#byPrefix.delete(pattern.prefix);
    const { length } = pattern.prefix;
    const left = (this.#prefixLengths.get(length) ?? 1) - 1;
    if (left === 0) this.#prefixLengths.delete(length);
    else this.#prefixLengths.set(length, left);
  }
}

/** Whether the pattern matches the name on this machine; without one, whether it could on any. */
export function matchesOn(pattern: Pattern, name: UnitName, machine?: MachineFacts): boolean {
  if (!pattern.perMachine || machine === undefined) return pattern.matches(name);
  return compileGlob(expandForMachine(pattern.text, machine, quoteGlob))(name);
}

const NO_TEXTS: readonly string[] = [];

/** No text of a unit file has a NUL: the same text without specifiers is another pattern. */
function keyOf(text: string): string {
  return `\0${text}`;
}

/** Everywhere that `entry` is met now. */
export function meetingsOf(entry: UnitEntry): readonly Meeting[] {
  const places: Meeting[] = [];
  if (entry.at !== undefined) places.push(entry.at);
  if (entry.pending !== undefined) places.push(WAITING);
  if (entry.globalActive) places.push(GLOBAL);
  return places;
}

function* machinesOfOthers(
  met: ReadonlyMap<Meeting, ReadonlySet<UnitEntry>>,
  entry: UnitEntry,
): IterableIterator<MachineEntry> {
  for (const [place, units] of met)
    if (typeof place === 'object' && (units.size > 1 || !units.has(entry))) yield place;
}

function addTo<K>(sets: Map<K, Set<UnitEntry>>, key: K, entry: UnitEntry): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([entry]));
  else set.add(entry);
}

function deleteFrom<K>(sets: Map<K, Set<UnitEntry>>, key: K, entry: UnitEntry): void {
  const set = sets.get(key);
  if (set === undefined) return;
  set.delete(entry);
  if (set.size === 0) sets.delete(key);
}
