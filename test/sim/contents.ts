// What the store holds, record by record, as the checks read it: kept from the commits themselves, beside everything that fleet has.
import type { Host, Machine, MachineId, MetadataOverride } from '../../src/model/machine.ts';
import type { Requirements } from '../../src/model/requirements.ts';
import { NO_REQUIREMENTS } from '../../src/model/requirements.ts';
import type { Assignment, GlobalUnit, Placement, Unit, UnitTarget } from '../../src/model/unit.ts';
import type { Write } from '../../src/store/embedded/mvcc.ts';
import { requirementsOf } from '../../src/unitfile/fleet-options.ts';
import { compileGlob, type GlobMatcher } from '../../src/unitfile/glob.ts';
import { KEYS } from './machine.ts';
import { unitNamed } from './units.ts';

/** A key of the store, taken apart. */
export type Place =
  | Readonly<{ kind: 'unit' | 'placed' | 'global' | 'pending'; name: string }>
  | Readonly<{ kind: 'schedule' | 'state' | 'orphan'; name: string; machine: string }>
  | Readonly<{ kind: 'machine' | 'host'; machine: string }>
  | Readonly<{ kind: 'metadata'; machine: string; key: string }>
  | Readonly<{ kind: 'file'; sha256: string }>
  | Readonly<{ kind: (typeof SINGLE)[number] }>;

/** Keys that stand alone. */
const SINGLE = ['leader', 'format', 'brake', 'history', 'fence'] as const;

const root = KEYS.leader.slice(0, -'leader'.length);

/** What a key speaks of. */
export function placeOf(key: string): Place {
  const parts = key.slice(root.length).split('/');
  const [first = '', second = '', third = '', fourth = ''] = parts;
  const single = SINGLE.find((kind) => kind === first);
  if (single !== undefined) return { kind: single };
  if (first === 'file') return { kind: 'file', sha256: second };
  if (first === 'pending') return { kind: 'pending', name: second };
  if (first === 'state') return { kind: 'state', name: second, machine: third };
  if (second === 'unit' || second === 'placed' || second === 'global')
    return { kind: second, name: third };
  if (second === 'schedule' || second === 'orphan')
    return { kind: second, machine: third, name: fourth };
  if (second === 'metadata') return { kind: 'metadata', machine: third, key: fourth };
  if (second === 'machine' || second === 'host') return { kind: second, machine: third };
  throw new Error(`a key that nobody should write: ${key}`);
}

export class Contents {
  readonly units = new Map<string, Unit>();
  readonly placed = new Map<string, Placement>();
  /** By name, then by machine. */
  readonly schedule = new Map<string, Map<string, Assignment>>();
  readonly globals = new Map<string, GlobalUnit>();
  readonly machines = new Map<string, Machine>();
  readonly overrides = new Map<string, Map<string, string | undefined>>();
  readonly files = new Set<string>();
  readonly pending = new Set<string>();
  /** `NAME MACHINE` each. */
  readonly states = new Map<string, { readonly started?: number; readonly refusal?: string }>();
  readonly orphans = new Set<string>();
  /** Machines of which a person said that they are gone. */
  readonly evicted = new Set<string>();
  /** The highest fencing token. */
  /** Machines of which the store remembers something. */
  readonly hosts = new Set<string>();
  fence = 0;
  /** Create revision of the leader key. */
  leader: bigint | undefined;

  apply({ key, kv }: Write): Place {
    const place = placeOf(key);
    const value: unknown =
      kv === undefined || place.kind === 'file' ? undefined : JSON.parse(kv.value);
    const put = <T>(map: Map<string, T>, at: string): void => {
      if (value === undefined) map.delete(at);
      else map.set(at, value as T);
    };
    switch (place.kind) {
      case 'unit':
        put(this.units, place.name);
        break;
      case 'placed':
        put(this.placed, place.name);
        break;
      case 'global':
        put(this.globals, place.name);
        break;
      case 'pending':
        if (kv === undefined) this.pending.delete(place.name);
        else this.pending.add(place.name);
        break;
      case 'schedule': {
        const copies = this.schedule.get(place.name) ?? new Map<string, Assignment>();
        put(copies, place.machine);
        this.schedule.set(place.name, copies);
        break;
      }
      case 'state':
        put(this.states, `${place.name} ${place.machine}`);
        break;
      case 'orphan':
        if (kv === undefined) this.orphans.delete(`${place.name} ${place.machine}`);
        else this.orphans.add(`${place.name} ${place.machine}`);
        break;
      case 'machine':
        put(this.machines, place.machine);
        break;
      case 'metadata': {
        const own = this.overrides.get(place.machine) ?? new Map<string, string | undefined>();
        if (value === undefined) own.delete(place.key);
        else own.set(place.key, (value as MetadataOverride).value);
        this.overrides.set(place.machine, own);
        break;
      }
      case 'file':
        if (kv === undefined) this.files.delete(place.sha256);
        else this.files.add(place.sha256);
        break;
      case 'leader':
        this.leader = kv?.createRevision;
        break;
      case 'host':
        if (kv === undefined) this.hosts.delete(place.machine);
        else this.hosts.add(place.machine);
        if ((value as Host | undefined)?.evict === true) this.evicted.add(place.machine);
        else this.evicted.delete(place.machine);
        break;
      case 'fence':
        this.fence = (value as { token: number } | undefined)?.token ?? 0;
        break;
      case 'brake':
      case 'history':
      case 'format':
        break;
    }
    return place;
  }

  /** Whether anything in the store tells of the machine. */
  knows(machine: string): boolean {
    const isThere = this.machines.has(machine) || this.hosts.has(machine);
    return isThere || [...this.schedule.values()].some((copies) => copies.has(machine));
  }

  copy(name: string, machine: string): Assignment | undefined {
    return this.schedule.get(name)?.get(machine);
  }

  /** The unit's record where somebody wants it placed. */
  wanted(name: string): Unit | undefined {
    const unit = this.units.get(name);
    if (unit === undefined || unit.desiredState === 'inactive' || isGlobal(unit)) return undefined;
    return unit;
  }

  metadataOf(machine: string): ReadonlyMap<string, string> {
    const merged = new Map(Object.entries(this.machines.get(machine)?.metadata ?? {}));
    for (const [key, value] of this.overrides.get(machine) ?? []) {
      if (value === undefined) merged.delete(key);
      else merged.set(key, value);
    }
    return merged;
  }

  /** Why this machine may not run the unit by its own facts, in a word. */
  factsForbid(target: UnitTarget, machine: string): string | undefined {
    const { needs } = rulesOf(target);
    const metadata = this.metadataOf(machine);
    for (const { key, values } of needs.metadata)
      if (!values.includes(metadata.get(key) ?? '')) return `metadata ${key}`;
    if (needs.machineId !== undefined && !machine.startsWith(needs.machineId)) return 'machine id';
    return undefined;
  }

  /** Why the unit must leave the machine on which it is placed, in a word; the rules of DESIGN §3, plainly. */
  mustLeave(unit: Unit, machine: string): string | undefined {
    const facts = this.factsForbid(unit, machine);
    if (facts !== undefined) return facts;
    const { needs, replaces } = rulesOf(unit);
    for (const peer of needs.machineOf) {
      if (this.#activeGlobal(peer) !== undefined) continue;
      const placed = this.placed.get(peer);
      if (placed?.machine !== machine || placed.release) return `MachineOf=${peer}`;
    }
    for (const [other, placed] of this.placed) {
      if (other === unit.name || placed.machine !== machine || placed.release) continue;
      const record = this.units.get(other) ?? this.copy(other, machine);
      if (record === undefined) continue;
      if (inConflict(unit, record) && other < unit.name) return `conflict with ${other}`;
      const isReplaced = rulesOf(record).replaces.some((glob) => glob(unit.name));
      const replacesBack = replaces.some((glob) => glob(other));
      if (isReplaced && (!replacesBack || other < unit.name)) return `replaced by ${other}`;
    }
    return undefined;
  }

  /** The same, and also what depends on whether a global unit runs there, where that is in doubt. */
  mightLeave(unit: Unit, machine: string): string | undefined {
    const why = this.mustLeave(unit, machine);
    if (why !== undefined) return why;
    const doubtful = rulesOf(unit).needs.machineOf.find((peer) => {
      const global = this.#activeGlobal(peer);
      return global !== undefined && this.globalMightNotRun(global, machine) !== undefined;
    });
    return doubtful === undefined ? undefined : `MachineOf=${doubtful}`;
  }

  /** Why a global unit may have no place there, in a word. */
  globalMightNotRun(global: GlobalUnit, machine: string): string | undefined {
    const facts = this.factsForbid(global, machine);
    if (facts !== undefined) return facts;
    for (const [other, copies] of this.schedule) {
      const copy = copies.get(machine);
      if (copy === undefined) continue;
      const isReplaced = rulesOf(copy).replaces.some((glob) => glob(global.name));
      if (other === global.name || isReplaced || inConflict(global, copy)) return `beside ${other}`;
    }
    for (const other of this.globals.values())
      if (other.name < global.name && inConflict(global, other)) return `beside ${other.name}`;
    return undefined;
  }

  #activeGlobal(name: string): GlobalUnit | undefined {
    const global = this.globals.get(name);
    return global?.release === false && global.desiredState !== 'inactive' ? global : undefined;
  }
}

function inConflict(a: UnitTarget, b: UnitTarget): boolean {
  const named = rulesOf(a).conflicts.some((glob) => glob(b.name));
  return named || rulesOf(b).conflicts.some((glob) => glob(a.name));
}

/** Says whether every machine runs it. */
export function isGlobal(target: UnitTarget): boolean {
  return rulesOf(target).needs.global;
}

interface Rules {
  readonly needs: Requirements;
  readonly conflicts: readonly GlobMatcher[];
  readonly replaces: readonly GlobMatcher[];
}

const rules = new Map<string, Rules>();

/** What its [X-Fleet] options ask for. */
export function rulesOf({ name, hash, options }: UnitTarget): Rules {
  const key = `${name} ${hash}`;
  const known = rules.get(key);
  if (known !== undefined) return known;
  const needs = requirementsOf(unitNamed(name), options).ok ?? NO_REQUIREMENTS;
  const made = {
    needs,
    conflicts: needs.conflicts.map((pattern) => compileGlob(pattern)),
    replaces: needs.replaces.map((pattern) => compileGlob(pattern)),
  };
  if (rules.size > 5_000) rules.clear();
  rules.set(key, made);
  return made;
}

/** For a message. */
export function shortId(machine: MachineId | string): string {
  return `m${Number(machine.slice(0, 8))}`;
}
