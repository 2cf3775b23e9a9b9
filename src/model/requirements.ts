// What a unit's [X-Fleet] section asks of the cluster, checked and with specifiers expanded for the unit's name.
// Invariant: made by unitfile/fleet-options.ts only; lists are sorted and without doubles, so equal requests are equal values.
import type { Runtime } from './container-runtime.ts';
import type { UnitName } from './unit.ts';

/** One metadata key: a machine is allowed when its value of `key` is any of `values`. */
export interface MetadataRequirement {
  readonly key: string;
  readonly values: readonly string[];
}

/** Values with `%H`, `%l` or `%m`, complete but for these: unitfile/specifiers.ts `expandForMachine()` makes them texts. */
export interface PerMachineValues {
  readonly machineId: readonly string[];
  /** All `key=value` of the unit, where one of them depends on the machine; `Requirements.metadata` is empty then. */
  readonly metadata: readonly string[];
  readonly machineOf: readonly string[];
  readonly conflicts: readonly string[];
  readonly replaces: readonly string[];
}

/** Where a unit may run. Of a template, texts may still hold specifiers that need an instance; such `machineOf` are left out. */
export interface Requirements {
  /** A full machine id (32 hex digits) or its first 8; another word matches no machine. */
  readonly machineId?: string;
  /** All of them must hold. Sorted by key; one entry a key. */
  readonly metadata: readonly MetadataRequirement[];
  /** Units on whose machine this one must be. */
  readonly machineOf: readonly UnitName[];
  /** Globs over unit names, see unitfile/glob.ts. */
  readonly conflicts: readonly string[];
  /** Globs over unit names that leave the machine this one is placed on. */
  readonly replaces: readonly string[];
  /** Every machine that is allowed runs it. */
  readonly global: boolean;
  /** Whether its host may start it after a boot without having reached the store; where nothing is said: what no other host may run. */
  readonly bootWithoutStore?: boolean;
  /** Of a Quadlet file: the machine must have one of these, the first that it has is taken. */
  readonly runtimes?: readonly Runtime[];
  /** Each start of it is given a token that grows (`FLEET_GENERATION`). */
  readonly fence?: true;
  /** Its host stops it in time where it cannot be sure that the unit is still its own. */
  readonly onPartition?: 'stop';
  /** What is asked for besides, and is another thing on each machine; most units have none of it. */
  readonly perMachine?: PerMachineValues;
}

/** The requirements of a unit without an [X-Fleet] section. */
export const NO_REQUIREMENTS: Requirements = {
  metadata: [],
  machineOf: [],
  conflicts: [],
  replaces: [],
  global: false,
};
