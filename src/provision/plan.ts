// What a host is to become, as plain data: the one result of reading a cloud-config or an Ignition file.
// Invariant: names and paths in a plan are checked; whoever carries it out looks nothing up in the file again.
import type { DesiredState, UnitName } from '../model/unit.ts';

/** A group to be there. */
export interface PlannedGroup {
  readonly name: string;
  readonly gid?: number;
  readonly system: boolean;
}

/** A user to be there. What is not said is left to useradd(8). */
export interface PlannedUser {
  readonly name: string;
  readonly uid?: number;
  /** As crypt(5) writes it. */
  readonly passwordHash?: string;
  readonly home?: string;
  readonly noCreateHome: boolean;
  readonly primaryGroup?: string;
  readonly groups: readonly string[];
  readonly noUserGroup: boolean;
  readonly system: boolean;
  readonly noLogInit: boolean;
  readonly shell?: string;
  readonly gecos?: string;
  readonly sshKeys: readonly string[];
}

/** Whose a path is: names, or numbers as text. */
export interface Owner {
  readonly user: string;
  readonly group: string;
}

export interface PlannedDirectory extends Owner {
  readonly path: string;
  readonly mode: number;
}

export interface PlannedFile extends Owner {
  readonly path: string;
  readonly mode: number;
  readonly contents: Uint8Array;
  /** What stands at the path is kept, and the contents are put behind it where they are not there yet. */
  readonly append: boolean;
  /** Nothing else may stand there. */
  readonly keepOther: boolean;
}

export interface PlannedLink {
  readonly path: string;
  readonly target: string;
  readonly hard: boolean;
  /** What stands there makes way. */
  readonly overwrite: boolean;
}

/** What systemd is to do with a unit once its files are there. */
export const UNIT_COMMANDS = [
  'start',
  'stop',
  'reload',
  'restart',
  'try-restart',
  'reload-or-restart',
  'reload-or-try-restart',
] as const;
export type UnitCommand = (typeof UNIT_COMMANDS)[number];

/** One of this host's own units (not the cluster's). */
export interface PlannedUnit {
  readonly name: string;
  /** Its files go to /run: they end with the boot. */
  readonly runtime: boolean;
  readonly text?: string;
  readonly dropIns: readonly Readonly<{ name: string; text: string }>[];
  /** undefined: as it is. */
  readonly enable?: boolean;
  readonly mask?: boolean;
  readonly command?: UnitCommand;
}

/** A unit to submit to the cluster, once it is up. */
export interface SubmittedUnit {
  readonly name: UnitName;
  readonly text: string;
  readonly desiredState: DesiredState;
}

export interface ProvisionPlan {
  readonly hostname?: string;
  readonly groups: readonly PlannedGroup[];
  readonly users: readonly PlannedUser[];
  readonly directories: readonly PlannedDirectory[];
  readonly files: readonly PlannedFile[];
  readonly links: readonly PlannedLink[];
  /** Keys of fleetd's configuration and their values. */
  readonly fleet: Readonly<Record<string, string>>;
  /** In order: of two commands the first runs first. */
  readonly units: readonly PlannedUnit[];
  readonly submit: readonly SubmittedUnit[];
}

/** A plan that asks for nothing. */
export const EMPTY_PLAN: ProvisionPlan = {
  groups: [],
  users: [],
  directories: [],
  files: [],
  links: [],
  fleet: {},
  units: [],
  submit: [],
};
