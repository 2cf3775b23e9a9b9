// What a host reports of a unit, in systemd's own words.
import type { MachineId } from './machine.ts';
import type { UnitName } from './unit.ts';

/** How a job of systemd ended; `running` while it has not (org.freedesktop.systemd1(5), JobRemoved). */
export type JobResult =
  | 'running'
  | 'done'
  | 'canceled'
  | 'timeout'
  | 'failed'
  | 'dependency'
  | 'skipped'
  | 'invalid'
  | 'assert'
  | 'unsupported'
  | 'collected'
  | 'once';

/** systemd's three words for a unit. */
export interface SystemdState {
  readonly loadState: string;
  readonly activeState: string;
  readonly subState: string;
}

/** `state/NAME/ID`. */
export interface UnitState extends SystemdState {
  readonly name: UnitName;
  readonly machine: MachineId;
  readonly hash: string;
  /** The generation that the host has loaded. */
  readonly generation: number;
  /** The generation whose start was asked of systemd; absent if none was. */
  readonly started?: number;
  /** How the start job of generation `started` ended. */
  readonly job?: JobResult;
  /** The unit's own Result property when the job did not end well, or it has failed since: `exit-code`, `start-limit-hit`. */
  readonly result?: string;
  /** Why this host does not load the unit: a sentence. */
  readonly refusal?: string;
  readonly incarnation: string;
}

/** `c/orphan/ID/NAME`: a fleet unit that runs and that no key speaks of. */
export interface Orphan extends SystemdState {
  readonly name: UnitName;
  readonly machine: MachineId;
  readonly hash: string;
  readonly generation: number;
  /** What it was there for; absent in records of older versions. */
  readonly desiredState?: 'loaded' | 'launched';
  /** The unit file as it runs there. */
  readonly text: string;
}

/** Says whether systemd runs it, or is about to: systemd.unit(5), the states of a unit. */
export function isRunning({ activeState }: SystemdState): boolean {
  return activeState !== 'inactive' && activeState !== 'failed';
}
