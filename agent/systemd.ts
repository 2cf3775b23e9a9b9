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

export interface Systemd {
  /** One LinkUnitFiles (runtime, force) call for all paths; no reload. */
  link(paths: readonly string[], signal: AbortSignal): Promise<void>;
  /** One EnableUnitFiles (runtime, force) call; no reload. */
  enable(names: readonly UnitName[], signal: AbortSignal): Promise<void>;
  /** One DisableUnitFiles (runtime) call: removes links and enablement; unknown names are no error; no reload. */
  disable(names: readonly UnitName[], signal: AbortSignal): Promise<void>;
  reload(signal: AbortSignal): Promise<void>;

  /** StartUnit(name, 'replace'). Resolves when systemd has taken the job; waits for a free place under the bounds of limits.ts. */
  start(name: UnitName, signal: AbortSignal): Promise<Job>;
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
  /** The type ('start', 'stop', 'restart', …) of the job pending on `name`; undefined when there is none. */
  pendingJob(name: string, signal: AbortSignal): Promise<string | undefined>;

  /** Ends when something happened that is worth another look at the states: a job ended, a unit went, systemd reloaded. */
  changed(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
