// The agent's port to systemd. agent/dbus/ is the adapter; the simulation has another.
// Invariant: every call settles: with its answer, or with DBUS_CLOSED, DBUS_TIMEOUT, DBUS_CALL_FAILED.
import type { JobResult, SystemdState } from '../src/model/unit-state.ts';
import type { UnitName } from '../src/model/unit.ts';

/** A job that systemd has taken on. */
export interface Job {
  /** How it ended, from JobRemoved; rejects with DBUS_CLOSED if the connection is lost before. */
  readonly ended: Promise<JobResult>;
}

export interface UnitProperties extends SystemdState {
  /** Path of the file that systemd loaded it from, with links followed; '' if none. */
  readonly fragmentPath: string;
  /** 'linked-runtime' for ours; '' if systemd has no file (org.freedesktop.systemd1(5)). */
  readonly unitFileState: string;
}

/** Commands that systemd itself runs at a time, whoever lives then: a transient timer and its service. */
export interface Alarm {
  /** Without a type; a new one for each. */
  readonly name: string;
  /** On `Clock.now()`; one that is past is run at once. */
  readonly atMs: number;
  /** Absolute path and arguments of each; run in order, whatever becomes of the one before. */
  readonly commands: readonly (readonly string[])[];
}

/** Called right before systemd is asked for a start; throws where it must not be any more. */
export type CheckStart = () => void;

export interface Systemd {
  /** One LinkUnitFiles (runtime, force) call for all paths; no reload. */
  link(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** One EnableUnitFiles (runtime, force) call; no reload. */
  enable(names: readonly UnitName[], signal: AbortSignal): Promise<void>;
  /** One DisableUnitFiles (runtime) call: removes links and enablement; unknown names are no error; no reload. */
  disable(names: readonly UnitName[], signal: AbortSignal): Promise<void>;
  reload(signal: AbortSignal): Promise<void>;

  /** StartUnit(name, 'replace'). Resolves when systemd has taken the job; waits for a free place under the bounds of limits.ts, and for `check` then. */
  start(name: UnitName, signal: AbortSignal, check?: CheckStart): Promise<Job>;
  /** StopUnit(name, 'replace'). A unit that systemd does not know is stopped: an ended job 'done'. */
  stop(name: UnitName, signal: AbortSignal): Promise<Job>;
  /** Of these, the units whose stop systemd has queued behind others' while basic.target goes down, as it does at shutdown. */
  stuckStops(names: readonly UnitName[], signal: AbortSignal): Promise<readonly UnitName[]>;
  /** StopUnit(name, 'ignore-dependencies'): a stop that is queued runs at once; whoever awaits it hears of its end as before. */
  stopAhead(name: UnitName, signal: AbortSignal): Promise<void>;
  resetFailed(name: UnitName, signal: AbortSignal): Promise<void>;

  /** ListUnitsByNames in calls of bounded size: one cheap answer for all. */
  states(
    names: readonly UnitName[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<UnitName, SystemdState>>;
  /** GetUnit/LoadUnit and Properties.GetAll of one unit; undefined when systemd knows nothing of that name. */
  properties(name: UnitName, signal: AbortSignal): Promise<UnitProperties | undefined>;
  /** The type-specific `Result` property, such as 'exit-code'; undefined where the type has none. */
  result(name: UnitName, signal: AbortSignal): Promise<string | undefined>;
  /** TimeoutStopSec= of a service in ms; undefined for none, and for other types. */
  stopTimeoutMs(name: UnitName, signal: AbortSignal): Promise<number | undefined>;
  /** StartTransientUnit for each; accurate to 100 ms; the machine is not woken from suspend for them. */
  setAlarms(alarms: readonly Alarm[], signal: AbortSignal): Promise<void>;
  /** Takes alarms away; what one runs already goes on. Unknown ones are no error. */
  clearAlarms(names: readonly string[], signal: AbortSignal): Promise<void>;
  /** Names of the alarms that are set and begin so. */
  alarms(prefix: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Says whether one whose name begins so runs its commands now. */
  isRinging(prefix: string, signal: AbortSignal): Promise<boolean>;
  /** The type ('start', 'stop', 'restart', …) of the job pending on `name`; undefined when there is none. */
  pendingJob(name: UnitName, signal: AbortSignal): Promise<string | undefined>;

  /** Ends when something happened that is worth another look at the states: a job ended, a unit went, systemd reloaded. */
  changed(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
