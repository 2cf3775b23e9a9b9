// The Systemd port over D-Bus (org.freedesktop.systemd1(5)): jobs are matched with their ends, the connection is made again when lost.
// Invariant: at most JOBS_MAX young starts are unfinished, and a stop never waits for a start.
import { realpath } from 'node:fs/promises';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import {
  JOB_SLOW_MS,
  JOBS_MAX,
  JOBS_TOTAL_MAX,
  STATES_CHUNK_NAMES,
  STOP_JOBS_TOTAL_MAX,
} from '../../src/model/limits.ts';
import type { SystemdState } from '../../src/model/unit-state.ts';
import type { UnitName } from '../../src/model/unit.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { Wake } from '../../src/runtime/wake.ts';
import type { Alarm, CheckStart, Job, Systemd, UnitProperties } from '../systemd.ts';
import { alarmCall } from './alarm-call.ts';
import { busAddresses } from './address.ts';
import type { Bus } from './bus.ts';
import { JobPlaces } from './job-places.ts';
import { JobResults } from './job-results.ts';
import { Link } from './link.ts';
import {
  jobProperty,
  microseconds,
  propertyReader,
  queuedStops,
  isOneAtWork,
  stateRows,
  textReply,
  timeoutMs,
} from './replies.ts';
import { Subscription } from './subscription.ts';
import { managerCall, propertyCall } from './systemd-calls.ts';
import type { Call } from './wire.ts';

/** The part of a pino logger that is used here. */
export interface SystemdLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface SystemdOptions {
  /** 'system', 'user', or a D-Bus address; one that ends in '/systemd/private' is systemd's own socket. */
  readonly address: string;
  readonly clock: Clock;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly log?: SystemdLog;
  /** ms until a call has failed; DBUS_CALL_TIMEOUT_MS if absent. */
  readonly timeoutMs?: number;
}

/** The port, and what this adapter can say of itself. */
export interface DbusSystemd extends Systemd {
  /** Starts that wait because too many jobs are unfinished. */
  readonly waitingStarts: number;
}

/** Opens the port at once; the connection is made behind it, and its calls wait for it a little. */
export function openSystemd(options: SystemdOptions): DbusSystemd {
  return new SystemdOverDbus(options);
}

class SystemdOverDbus implements DbusSystemd {
  readonly #link: Link;
  readonly #results = new JobResults();
  readonly #starts: JobPlaces;
  readonly #stops: JobPlaces;
  readonly #changed = new Wake();
  readonly #subscription: Subscription;
  readonly #ended = new AbortController();
  readonly #loops: Promise<unknown>;
  #bug: unknown;

  constructor({ address, clock, env = process.env, log, timeoutMs }: SystemdOptions) {
    const bounds = { clock, youngMax: JOBS_MAX, slowMs: JOB_SLOW_MS };
    this.#starts = new JobPlaces({ ...bounds, totalMax: JOBS_TOTAL_MAX });
    this.#stops = new JobPlaces({ ...bounds, totalMax: STOP_JOBS_TOTAL_MAX });
    this.#subscription = new Subscription({
      results: this.#results,
      onChange: () => this.#changed.set(),
      onRestart: () => this.#link.renew(),
    });
    this.#link = new Link({
      addresses: busAddresses(address, env),
      clock,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onSignal: (message) => this.#subscription.onSignal(message),
      prepare: (bus, signal) => this.#subscription.prepare(bus, signal),
      onDown: (err, retryMs) =>
        log?.warn({ component: 'dbus', err, retryMs }, 'no connection to systemd, retrying'),
    });
    const { signal } = this.#ended;
    const loops = [this.#link.run(signal), this.#starts.run(signal), this.#stops.run(signal)];
    this.#loops = Promise.all(loops).catch((error: unknown) => {
      if (signal.aborted) return;
      this.#bug = error; // every call from now on says so
      this.#ended.abort(error);
      log?.error({ component: 'dbus', err: error }, 'the connection to systemd has failed');
    });
  }

  get waitingStarts(): number {
    return this.#starts.waiting;
  }

  async link(paths: readonly string[], signal: AbortSignal): Promise<void> {
    if (paths.length === 0) return;
    await this.#call(managerCall('LinkUnitFiles', 'asbb', [[...paths], true, true]), signal);
  }

  async enable(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    await this.#call(managerCall('EnableUnitFiles', 'asbb', [[...names], true, true]), signal);
  }

  async disable(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    try {
      await this.#call(managerCall('DisableUnitFiles', 'asb', [[...names], true]), signal);
    } catch (error) {
      // One unknown name makes systemd refuse all of them before it does anything.
      if (!isUnknownUnit(error)) throw error;
      if (names.length === 1) return;
      const half = Math.ceil(names.length / 2);
      await this.disable(names.slice(0, half), signal);
      await this.disable(names.slice(half), signal);
    }
  }

  async reload(signal: AbortSignal): Promise<void> {
    await this.#call(managerCall('Reload'), signal);
  }

  async start(name: UnitName, signal: AbortSignal, check?: CheckStart): Promise<Job> {
    return this.#job('start', name, signal, check);
  }

  async stop(name: UnitName, signal: AbortSignal): Promise<Job> {
    try {
      return await this.#job('stop', name, signal);
    } catch (error) {
      if (isUnknownUnit(error)) return { ended: Promise.resolve('done') };
      // RefuseManualStop= holds also for what is stopped already.
      if (!isFleetError(error, 'DBUS_CALL_FAILED') || !(await this.#isDown(name, signal)))
        throw error;
      return { ended: Promise.resolve('done') };
    }
  }

  async stuckStops(names: readonly UnitName[], signal: AbortSignal): Promise<readonly UnitName[]> {
    if (names.length === 0) return [];
    const call = managerCall('ListJobs');
    const queued = queuedStops(await this.#call(call, signal), call.member);
    return queued.has('basic.target') ? names.filter((name) => queued.has(name)) : [];
  }

  async stopAhead(name: UnitName, signal: AbortSignal): Promise<void> {
    await this.#call(managerCall('StopUnit', 'ss', [name, 'ignore-dependencies']), signal);
  }

  async resetFailed(name: UnitName, signal: AbortSignal): Promise<void> {
    try {
      await this.#call(managerCall('ResetFailedUnit', 's', [name]), signal);
    } catch (error) {
      if (!isUnknownUnit(error)) throw error;
    }
  }

  async states(
    names: readonly UnitName[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<UnitName, SystemdState>> {
    const states = new Map<UnitName, SystemdState>();
    for (let at = 0; at < names.length; at += STATES_CHUNK_NAMES) {
      const chunk = names.slice(at, at + STATES_CHUNK_NAMES);
      const call = managerCall('ListUnitsByNames', 'as', [chunk]);
      const rows = stateRows(await this.#call(call, signal), call.member);
      // A row for each name in order, under the name of the unit that it is an alias of; templates have none.
      const byName = new Map(rows);
      chunk.forEach((name, i) => {
        const state = rows.length === chunk.length ? rows[i]?.[1] : byName.get(name);
        if (state !== undefined) states.set(name, state);
      });
    }
    for (const [name, state] of states) this.#subscription.sawState(name, state);
    return states;
  }

  async properties(name: UnitName, signal: AbortSignal): Promise<UnitProperties | undefined> {
    const path = await this.#load(name, signal);
    const call = propertyCall(path, 'GetAll', ['org.freedesktop.systemd1.Unit']);
    const property = propertyReader(await this.#call(call, signal), call.member);
    const loadState = property('LoadState');
    if (loadState === 'not-found') return undefined;
    return {
      loadState,
      activeState: property('ActiveState'),
      subState: property('SubState'),
      fragmentPath: await linkedFrom(property('FragmentPath')),
      unitFileState: property('UnitFileState'),
    };
  }

  async result(name: UnitName, signal: AbortSignal): Promise<string | undefined> {
    const type = typesWithResult[name.slice(name.lastIndexOf('.') + 1)];
    if (type === undefined) return undefined;
    const path = await this.#load(name, signal);
    const call = propertyCall(path, 'Get', [`org.freedesktop.systemd1.${type}`, 'Result']);
    return textReply(await this.#call(call, signal), 'Get');
  }

  async stopTimeoutMs(name: UnitName, signal: AbortSignal): Promise<number | undefined> {
    if (!name.endsWith('.service')) return undefined;
    const path = await this.#load(name, signal);
    const body = ['org.freedesktop.systemd1.Service', 'TimeoutStopUSec'];
    return timeoutMs(await this.#call(propertyCall(path, 'Get', body), signal), 'Get');
  }

  async setAlarms(alarms: readonly Alarm[], signal: AbortSignal): Promise<void> {
    if (alarms.length === 0) return;
    const since = propertyCall('/org/freedesktop/systemd1', 'Get', [
      'org.freedesktop.systemd1.Manager',
      'UserspaceTimestampMonotonic',
    ]);
    const startupUs = microseconds(await this.#call(since, signal), 'Get');
    await Promise.all(alarms.map((alarm) => this.#call(alarmCall(alarm, startupUs), signal)));
  }

  async clearAlarms(names: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        try {
          await this.#call(managerCall('StopUnit', 'ss', [`${name}.timer`, 'replace']), signal);
        } catch (error) {
          if (!isUnknownUnit(error)) throw error;
        }
      }),
    );
  }

  async alarms(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    const call = managerCall('ListUnitsByPatterns', 'asas', [[], [`${prefix}*.timer`]]);
    const rows = stateRows(await this.#call(call, signal), call.member);
    return rows.map(([name]) => name.slice(0, -'.timer'.length));
  }

  async isRinging(prefix: string, signal: AbortSignal): Promise<boolean> {
    const call = managerCall('ListUnitsByPatterns', 'asas', [[], [`${prefix}*.service`]]);
    return isOneAtWork(await this.#call(call, signal), call.member);
  }

  async pendingJob(name: UnitName, signal: AbortSignal): Promise<string | undefined> {
    try {
      const getUnit = managerCall('GetUnit', 's', [name]);
      const path = textReply(await this.#call(getUnit, signal), 'GetUnit');
      const getJob = propertyCall(path, 'Get', ['org.freedesktop.systemd1.Unit', 'Job']);
      const job = jobProperty(await this.#call(getJob, signal), 'Get');
      if (job === undefined) return undefined;
      const getType = propertyCall(job, 'Get', ['org.freedesktop.systemd1.Job', 'JobType']);
      return textReply(await this.#call(getType, signal), 'Get');
    } catch (error) {
      if (isUnknownUnit(error)) return undefined; // also a job that ended between two calls
      throw error;
    }
  }

  changed(signal: AbortSignal): Promise<void> {
    return this.#changed.changed(signal);
  }

  async close(): Promise<void> {
    const error = new FleetError('DBUS_CLOSED', 'the connection to systemd was closed');
    this.#ended.abort(error);
    await this.#loops;
    for (const { path } of this.#results.unfinished()) this.#results.lost(path, error);
  }

  async #isDown(name: UnitName, signal: AbortSignal): Promise<boolean> {
    const state = (await this.states([name], signal)).get(name)?.activeState;
    return state === undefined || state === 'inactive' || state === 'failed';
  }

  async #job(
    kind: 'start' | 'stop',
    name: UnitName,
    signal: AbortSignal,
    check: CheckStart = () => undefined,
  ): Promise<Job> {
    const places = kind === 'start' ? this.#starts : this.#stops;
    const place = await places.acquire(signal);
    try {
      const bus = await this.#bus(signal);
      const call = managerCall(kind === 'start' ? 'StartUnit' : 'StopUnit', 'ss', [
        name,
        'replace',
      ]);
      check();
      this.#results.calling();
      let path: string;
      try {
        path = textReply(await bus.call(call, signal), call.member);
      } catch (error) {
        this.#results.gaveUp();
        throw error;
      }
      const ended = this.#results.track({ path, unit: name, kind });
      const release = (): void => place.release();
      ended.then(release, release);
      return { ended };
    } catch (error) {
      place.release();
      throw error;
    }
  }

  /** The object of a unit, which systemd loads for it. */
  async #load(name: UnitName, signal: AbortSignal): Promise<string> {
    const call = managerCall('LoadUnit', 's', [name]);
    return textReply(await this.#call(call, signal), call.member);
  }

  async #call(call: Call, signal: AbortSignal): Promise<readonly unknown[]> {
    const bus = await this.#bus(signal);
    return bus.call(call, signal);
  }

  async #bus(signal: AbortSignal): Promise<Bus> {
    if (this.#bug !== undefined) throw this.#bug;
    this.#ended.signal.throwIfAborted();
    return this.#link.bus(signal);
  }
}

const typesWithResult: Readonly<Record<string, string | undefined>> = {
  service: 'Service',
  socket: 'Socket',
  mount: 'Mount',
  automount: 'Automount',
  swap: 'Swap',
  timer: 'Timer',
  path: 'Path',
  scope: 'Scope',
};

/** systemd names its own link to a linked unit file; what it points to is where the text is. */
async function linkedFrom(path: string): Promise<string> {
  if (path === '') return '';
  try {
    return await realpath(path);
  } catch {
    return path; // gone since systemd read it, or not for this process to see: it is still systemd's word
  }
}

function isUnknownUnit(error: unknown): boolean {
  if (!isFleetError(error, 'DBUS_CALL_FAILED')) return false;
  return (
    error.details['errorName'] === 'org.freedesktop.systemd1.NoSuchUnit' ||
    error.details['errorName'] === 'org.freedesktop.DBus.Error.UnknownObject'
  );
}
