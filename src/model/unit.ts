// Units as the cluster knows them: what a person asked for, where it is placed, what a host is told.
// Invariant: none of these carries a unit file's text; that is stored under its SHA-256.
import type { MachineId } from './machine.ts';

/** A name that systemd accepts, or that of a Quadlet file, which becomes one. The only way in is `parseUnitName()` of unitfile/name.ts. */
export type UnitName = string & { readonly __brand: 'UnitName' };

export type DesiredState = 'inactive' | 'loaded' | 'launched';

/** One `Name=Value` line of a unit file, in order, as v1 of the API has it. */
export interface UnitOption {
  readonly section: string;
  readonly name: string;
  readonly value: string;
}

/** What the desired state of a unit is, in one version: shared by the three records below. */
export interface UnitTarget {
  readonly name: UnitName;
  /** SHA-1 in hex over the canonical text of the options: what users see as HASH. */
  readonly hash: string;
  /** SHA-256 in hex of the unit file's bytes: names `file/SHA256`. */
  readonly sha256: string;
  readonly desiredState: DesiredState;
  /** Grows by one with each replacement and each change of the desired state. */
  readonly generation: number;
  /** Its [X-Fleet] (also legacy) and [Install] options; nothing else of the file. */
  readonly options: readonly UnitOption[];
}

/** `c/unit/NAME`: what a person asked for. */
export interface Unit extends UnitTarget {
  readonly description: string;
  /** Id of the request that wrote it last: tells one's own retried write from another's. */
  readonly requestId: string;
}

/** `c/placed/NAME`: the only truth of a placement. */
export interface Placement {
  readonly name: UnitName;
  readonly machine: MachineId;
  readonly generation: number;
  readonly hash: string;
  /** The machine is asked to stop the unit and hand it over. */
  readonly release: boolean;
}

/** `c/schedule/MACHINE/NAME`: the placement's copy for its host. */
export interface Assignment extends UnitTarget {
  readonly machine: MachineId;
  readonly release: boolean;
}

/** `c/global/NAME`: a unit that every machine decides on by itself. */
export interface GlobalUnit extends UnitTarget {
  /** Every machine is asked to stop it. */
  readonly release: boolean;
}
