// The bodies of the HTTP API as TypeScript sees them; schema.ts checks them, docs/api.md explains them.
// Invariant: v1 is byte-compatible with fleet 1.0; what is new stands in v2 only.
import type { Pending } from '../model/refusal.ts';
import type { DesiredState, UnitOption } from '../model/unit.ts';

export interface V1Unit {
  readonly name: string;
  readonly options: readonly UnitOption[];
  readonly desiredState: DesiredState;
  /** Absent for global units. */
  readonly currentState?: DesiredState;
  /** Absent where not placed. */
  readonly machineID?: string;
}
/** `GET /fleet/v1/units`. @public */
export interface V1UnitPage {
  readonly units?: readonly V1Unit[];
  readonly nextPageToken?: string;
}
export interface V1UnitState {
  readonly name: string;
  readonly hash: string;
  readonly machineID: string;
  readonly systemdLoadState: string;
  readonly systemdActiveState: string;
  readonly systemdSubState: string;
}
/** `GET /fleet/v1/state`. @public */
export interface V1StatePage {
  readonly states?: readonly V1UnitState[];
  readonly nextPageToken?: string;
}
export interface V1Machine {
  readonly id: string;
  readonly primaryIP: string;
  readonly metadata?: Readonly<Record<string, string>>;
}
/** `GET /fleet/v1/machines`. @public */
export interface V1MachinePage {
  readonly machines?: readonly V1Machine[];
  readonly nextPageToken?: string;
}
/** v1 answers code and message only; v2 also `status` (an ErrorCode) and `hint`. */
export interface ApiErrorBody {
  readonly error: Readonly<{ code: number; message: string; status?: string; hint?: string }>;
}

/** One row of `GET /fleet/v2/units` and `GET /fleet/v2/units/NAME`. */
export interface V2Unit {
  readonly name: string;
  readonly hash: string;
  readonly sha256: string;
  readonly desiredState: DesiredState;
  readonly generation: number;
  readonly global: boolean;
  readonly description: string;
  /** As v1; absent for global units. `lost`: its machine is absent and no other may take it. */
  readonly currentState?: DesiredState | 'lost';
  readonly machineID?: string;
  /** The store's revision that this answer was read at, for `events?after=`. Only on a single unit. */
  readonly revision?: string;
  /** The unit file, byte for byte. Only on a single unit. */
  readonly text?: string;
  /** What the hosts report. Only on a single unit. */
  readonly states?: readonly V2UnitState[];
}
export interface V2UnitPage {
  readonly units: readonly V2Unit[];
  readonly revision: string;
  readonly nextPageToken?: string;
}
export interface V2UnitState extends V1UnitState {
  readonly generation: number;
  /** It runs there and no record of the cluster speaks of it. */
  readonly orphan?: boolean;
  /** Generation whose start was asked of systemd. */
  readonly started?: number;
  /** How that start's job ended: 'running' until then, 'done', 'failed', … */
  readonly job?: string;
  /** The unit's Result property when the job did not end well, or the unit has failed since. */
  readonly result?: string;
  /** Why the host does not load it. */
  readonly refusal?: string;
}

/** `GET /fleet/v2/daemon`: the fleetd that answers, and how a person on its machine reaches its systemd. */
export interface V2Daemon {
  readonly version: string;
  readonly machineID: string;
  readonly systemd: 'system' | 'user';
  /** XDG_RUNTIME_DIR of a user's systemd: systemctl finds it by that. */
  readonly runtimeDirectory?: string;
  /** Where its journal is, unless it is the machine's. */
  readonly journalDirectory?: string;
}

/**
 * `PUT /fleet/v2/units/NAME`: `text` creates or replaces; `desiredState` alone changes that. Answered by a V2Unit without text and
 * states: 201 created or replaced, 200 otherwise (also when nothing had to change). Its `revision` is that of the write: what
 * `events?after=` then tells comes after it.
 */
export interface V2PutUnit {
  readonly text?: string;
  readonly desiredState?: DesiredState;
  /** Refuse (409) unless the unit's hash is this; '' means: must not exist. */
  readonly ifHash?: string;
}

/** `GET /fleet/v2/states?unitName=&machineID=&limit=`: rows of present machines, orphans included. @public */
export interface V2StatePage {
  readonly states: readonly V2UnitState[];
  readonly revision: string;
  readonly nextPageToken?: string;
}

/** One row of `GET /fleet/v2/machines`: present machines, and those whose absence the cluster still remembers. */
export interface V2Machine {
  readonly id: string;
  readonly status: 'ready' | 'leaving' | 'absent';
  /** The address, metadata (overrides merged in) and the rest are absent for an absent machine. */
  readonly primaryIP?: string;
  readonly hostname?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly version?: string;
  readonly capacity?: Readonly<{ cpus: number; memoryBytes: number }>;
  readonly capabilities?: Readonly<Record<string, string>>;
  /** When the leader saw its key go, and since when it believes that it is gone; wall-clock ms. */
  readonly lastSeenMs?: number;
  readonly absentSinceMs?: number;
  /** Its units stay where they are until then: too many machines vanished at once. */
  readonly brakeUntilMs?: number;
  /** A person asked for its units to be placed elsewhere. */
  readonly evict?: boolean;
}
export interface V2MachinePage {
  readonly machines: readonly V2Machine[];
  readonly revision: string;
  readonly nextPageToken?: string;
}

/** One of several requests for units in `POST /fleet/v2/units`: a PUT of the unit, or that it is to be destroyed. */
export interface V2UnitRequest extends V2PutUnit {
  readonly name: string;
  readonly destroy?: true;
}

/** What became of it: the status that it would have had alone, with the unit or the failure. */
export interface V2UnitAnswer {
  readonly status: number;
  readonly unit?: V2Unit;
  readonly error?: ApiErrorBody['error'];
}

/** `POST /fleet/v2/units`: in the order of the requests. */
export interface V2UnitAnswers {
  readonly answers: readonly V2UnitAnswer[];
}

/** `GET /fleet/v2/version`. */
export interface V2Version {
  readonly version: string;
}

/** `GET /fleet/v2/units/NAME/explain`. */
export interface V2Explanation {
  readonly name: string;
  readonly desiredState: DesiredState;
  readonly currentState?: DesiredState | 'lost';
  readonly machineID?: string;
  readonly pending?: Pending;
  /** Only of a unit that the cluster has no record of any more: what hosts still report of it, orphans included. */
  readonly left?: readonly V2UnitState[];
  /** The same for a person, one sentence a line; empty when all is as desired. */
  readonly lines: readonly string[];
}

/**
 * `GET /fleet/v2/events?prefix=NAME&after=REVISION` (or `name=NAME`, exactly): server-sent events; `id:` is the revision, `event:` the kind, `data:` this as JSON.
 * `reset` says: events are missing, read again. A comment line is sent every 15 s.
 */
export type V2Event =
  | Readonly<{ kind: 'unit'; name: string; unit?: V2Unit }>
  | Readonly<{ kind: 'placed'; name: string; machineID?: string; releasing?: boolean }>
  | Readonly<{
      kind: 'state';
      name: string;
      machineID: string;
      /** It runs there unknown to the store: another row than that of the unit. */
      orphan?: true;
      state?: V2UnitState;
    }>
  | Readonly<{ kind: 'pending'; name: string; pending?: Pending; lines?: readonly string[] }>
  | Readonly<{ kind: 'reset' }>;
