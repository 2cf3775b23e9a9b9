// What the picture keeps of one unit and of one machine: their records, and what follows from these.
// Invariant: only ClusterPicture and its indexes change an entry; plans read.
import type { Host, Machine, MachineId, Metadata } from '../model/machine.ts';
import type { Pending } from '../model/refusal.ts';
import type { Requirements } from '../model/requirements.ts';
import type {
  Assignment,
  GlobalUnit,
  Placement,
  Unit,
  UnitName,
  UnitOption,
} from '../model/unit.ts';
import type { Pattern } from './pattern-index.ts';
import type { MachineFacts } from './machine-filters.ts';

/**
 * `present` and `leaving`: its key is there. `doubted`: its key is gone, or was never seen, and nobody has judged that yet.
 * `absent`: the engine believes that it is gone.
 */
export type Presence = 'present' | 'leaving' | 'doubted' | 'absent';

/** A key whose record does not decode; registry/keys.ts `parseClusterKey()` answers it in this shape. */
export type UnreadableKey =
  | Readonly<{ kind: 'unit' | 'placed' | 'global'; name: UnitName }>
  | Readonly<{ kind: 'schedule' | 'orphan'; machine: MachineId; name: UnitName }>
  | Readonly<{ kind: 'machine' | 'host'; machine: MachineId }>
  | Readonly<{ kind: 'metadata'; machine: MachineId; key: string }>;

/** A schedule key with its mod revision. */
export interface HeldAssignment {
  readonly assignment: Assignment;
  readonly revision: bigint;
}

/** The patterns of one kind, Conflicts= or Replaces=, that join a unit to others. */
export interface Links {
  /** What the unit declares. */
  readonly declares: readonly Pattern[];
  /** What others declare and its name matches. */
  readonly matchedBy: readonly Pattern[];
}

/** One unit. Revisions are mod revisions; 0n where the key does not exist. */
export interface UnitEntry {
  readonly name: UnitName;
  unit: Unit | undefined;
  unitRevision: bigint;
  placement: Placement | undefined;
  placedRevision: bigint;
  global: GlobalUnit | undefined;
  globalRevision: bigint;
  /** Its schedule keys by machine; more than one where an absent machine still holds a mark. */
  assignments: ReadonlyMap<MachineId, HeldAssignment>;
  /** Machines that run it, unknown to the store. */
  orphans: ReadonlySet<MachineId>;
  /** `pending/NAME` as this engine knows it: the unit waits for a machine. */
  pending: Pending | undefined;
  /** Its records that do not decode: `unit`, `placed`, `global`, `schedule/MACHINE`, `orphan/MACHINE`. */
  unreadable: ReadonlySet<string>;

  /** The options that `needs` was read from. */
  needsFrom: readonly UnitOption[];
  needs: Requirements;
  /** Its options cannot be understood: it is left alone, and `needs` are those of the version before. */
  malformed: boolean;
  /** Where it runs by the records, until it is handed over. */
  at: MachineEntry | undefined;
  /** Its machine is asked to stop it. */
  releasing: boolean;
  /** It is a global unit that hosts run. */
  globalActive: boolean;
  conflicts: Links;
  replaces: Links;
  /** MachineOf= by values that are others on each machine. */
  follows: Links;
  /** Where the index of waiting units holds it. */
  waitingUnder: readonly string[];
}

/** One machine. */
export interface MachineEntry extends MachineFacts {
  readonly id: MachineId;
  machine: Machine | undefined;
  host: Host | undefined;
  hostname: string;
  capabilities: Readonly<Record<string, string>>;
  overrides: ReadonlyMap<string, string | undefined>;
  unreadable: ReadonlySet<string>;
  presence: Presence;
  /** With overrides. */
  metadata: Metadata;
  /** Units of which any record names this machine. */
  readonly holds: Set<UnitEntry>;
  /** Units that run here by the records. */
  located: number;
  /** Global units with requirements that it fulfils; those without count the same everywhere and are left out. */
  globals: number;
  /** Global units, of all, that give way here to another unit although it fulfils their requirements. */
  displaced: number;
  /** What it is ordered by: units and globals, but for a number that is the same for all machines. */
  load: number;
  /** It may take new units: present, and all of its records decode. */
  candidate: boolean;
}

/** Moves a unit for as long as a plan is made; see ClusterPicture's `drafting`. */
export type Draft = (entry: UnitEntry, at: MachineEntry | undefined, releasing: boolean) => void;

/** Nothing, shared: most units have none of it. */
export const NO_LINKS: Links = { declares: [], matchedBy: [] };
const NO_ASSIGNMENTS: ReadonlyMap<MachineId, HeldAssignment> = new Map();
const NO_ORPHANS: ReadonlySet<MachineId> = new Set();
const NOTHING_UNREADABLE: ReadonlySet<string> = new Set();
const NO_OVERRIDES: ReadonlyMap<string, string | undefined> = new Map();
/** The options of a unit that has none. */
export const NO_OPTIONS: readonly UnitOption[] = [];

/** A unit of which nothing is known yet. */
export function newUnitEntry(name: UnitName, needs: Requirements): UnitEntry {
  return {
    name,
    unit: undefined,
    unitRevision: 0n,
    placement: undefined,
    placedRevision: 0n,
    global: undefined,
    globalRevision: 0n,
    assignments: NO_ASSIGNMENTS,
    orphans: NO_ORPHANS,
    pending: undefined,
    unreadable: NOTHING_UNREADABLE,
    needsFrom: NO_OPTIONS,
    needs,
    malformed: false,
    at: undefined,
    releasing: false,
    globalActive: false,
    conflicts: NO_LINKS,
    replaces: NO_LINKS,
    follows: NO_LINKS,
    waitingUnder: [],
  };
}

/** A machine of which nothing is known but its id. */
export function newMachineEntry(id: MachineId): MachineEntry {
  return {
    id,
    machine: undefined,
    host: undefined,
    hostname: '',
    capabilities: {},
    overrides: NO_OVERRIDES,
    unreadable: NOTHING_UNREADABLE,
    presence: 'doubted',
    metadata: {},
    holds: new Set(),
    located: 0,
    globals: 0,
    displaced: 0,
    load: 0,
    candidate: false,
  };
}

/** Says whether somebody wants the unit on one machine of the cluster's choice. */
export function isWanted(entry: UnitEntry): boolean {
  return entry.unit !== undefined && entry.unit.desiredState !== 'inactive' && !entry.needs.global;
}
