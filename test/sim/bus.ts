// A process's connection to its machine's systemd: the port that the agent has, with what goes wrong on D-Bus.
// Invariant: every call settles as the port says it does, or its process is dead.
import { OWN_UNIT } from '../../agent/stop-reason.ts';
import type { Alarm, CheckStart, Job, Systemd, UnitProperties } from '../../agent/systemd.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { JobResult, SystemdState } from '../../src/model/unit-state.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { Wake } from '../../src/runtime/wake.ts';
import type { Process } from './process.ts';
import { never } from './process.ts';
import type { Random } from './random.ts';
import type { SimSystemd, SystemdJob, SystemdUnit } from './systemd.ts';
import { behaviourOf } from './units.ts';

/** `down`: no connection is made. `silent`: calls are carried out or not, and never answered. */
export type BusState = 'up' | 'down' | 'silent';

/** The D-Bus of a machine. */
export class SimBus {
  #state: BusState = 'up';
  /** Told when connections break, and when they can be made again. */
  readonly listeners = new Set<(state: BusState) => void>();

  get state(): BusState {
    return this.#state;
  }

  become(state: BusState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.listeners) listener(state);
  }

  /** Every connection breaks and is made again at once, as when systemd executes itself anew. */
  drop(): void {
    const before = this.#state;
    this.become('down');
    this.become(before);
  }
}

/** ms; as agent/dbus has them: DBUS_RECONNECT_WAIT_MS and DBUS_CALL_TIMEOUT_MS. */
const RECONNECT_WAIT_MS = 5_000;
const CALL_TIMEOUT_MS = 25_000;

interface Connection {
  readonly process: Process;
  readonly systemd: SimSystemd;
  readonly bus: SimBus;
  readonly random: Random;
}

/** The port. */
export class BusSystemd implements Systemd {
  readonly #process: Process;
  readonly #systemd: SimSystemd;
  readonly #bus: SimBus;
  readonly #random: Random;
  readonly #changed = new Wake();
  /** Calls and jobs that end when the connection does. */
  readonly #open = new Set<(state: BusState) => void>();

  constructor({ process, systemd, bus, random }: Connection) {
    this.#process = process;
    this.#systemd = systemd;
    this.#bus = bus;
    this.#random = random;
    const changed = (): void => {
      if (bus.state === 'up') process.deliver(() => this.#changed.set());
    };
    const moved = (state: BusState): void => {
      for (const each of this.#open) each(state);
      if (state === 'up') changed();
    };
    systemd.listeners.add(changed);
    bus.listeners.add(moved);
    process.onDeath(() => {
      systemd.listeners.delete(changed);
      bus.listeners.delete(moved);
      this.#open.clear();
    });
  }

  link(paths: readonly string[], signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => this.#systemd.link(paths));
  }

  enable(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => this.#systemd.enable(names));
  }

  disable(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => this.#systemd.disable(names));
  }

  reload(signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => this.#systemd.reload());
  }

  async start(name: UnitName, signal: AbortSignal, check?: CheckStart): Promise<Job> {
    check?.();
    const askedAtMs = this.#process.machine.clock.now();
    const job = await this.#call(signal, () => this.#systemd.start(name, askedAtMs));
    if (job === undefined) throw new FleetError('DBUS_CALL_FAILED', `unit ${name} not found`);
    return { ended: this.#endOf(job) };
  }

  async stop(name: UnitName, signal: AbortSignal): Promise<Job> {
    const job = await this.#call(signal, () => this.#systemd.stop(name, 'fleet'));
    return { ended: job === undefined ? Promise.resolve('done') : this.#endOf(job) };
  }

  stopTimeoutMs(name: UnitName, signal: AbortSignal): Promise<number | undefined> {
    return this.#call(signal, () => {
      const unit = this.#systemd.units.get(name);
      return unit === undefined ? undefined : behaviourOf(unit.text).stopTimeoutMs;
    });
  }

  /** A call each, as the adapter has it: any of them may fail. */
  async setAlarms(alarms: readonly Alarm[], signal: AbortSignal): Promise<void> {
    if (alarms.length === 0) return;
    await this.#call(signal, () => undefined);
    const set = (alarm: Alarm) => this.#call(signal, () => this.#systemd.alarms.set(alarm));
    await Promise.all(alarms.map(set));
  }

  async clearAlarms(names: readonly string[], signal: AbortSignal): Promise<void> {
    const clear = (name: string) => this.#call(signal, () => this.#systemd.alarms.clear(name));
    await Promise.all(names.map(clear));
  }

  alarms(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    return this.#call(signal, () => this.#systemd.alarms.names(prefix));
  }

  isRinging(_prefix: string, signal: AbortSignal): Promise<boolean> {
    return this.#call(signal, () => this.#systemd.alarms.isRinging);
  }

  stuckStops(): Promise<readonly UnitName[]> {
    return Promise.resolve([]);
  }

  stopAhead(): Promise<void> {
    return Promise.resolve();
  }

  resetFailed(name: UnitName, signal: AbortSignal): Promise<void> {
    return this.#call(signal, () => this.#systemd.resetFailed(name));
  }

  states(
    names: readonly UnitName[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<UnitName, SystemdState>> {
    return this.#call(
      signal,
      () => new Map(names.map((name) => [name, stateOf(this.#systemd.units.get(name))])),
    );
  }

  properties(name: UnitName, signal: AbortSignal): Promise<UnitProperties | undefined> {
    return this.#call(signal, () => {
      const unit = this.#systemd.units.get(name);
      if (unit === undefined) return undefined;
      const fragmentPath = this.#systemd.linked.get(name) ?? '';
      return { ...stateOf(unit), fragmentPath, unitFileState: 'linked-runtime' };
    });
  }

  result(name: UnitName, signal: AbortSignal): Promise<string | undefined> {
    return this.#call(signal, () =>
      this.#systemd.units.get(name)?.activeState === 'failed' ? 'exit-code' : 'success',
    );
  }

  pendingJob(name: UnitName, signal: AbortSignal): Promise<string | undefined> {
    return this.#call(signal, () =>
      name === OWN_UNIT ? this.#process.machine.ownJob : this.#systemd.units.get(name)?.job?.kind,
    );
  }

  changed(signal: AbortSignal): Promise<void> {
    return this.#changed.changed(signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A call: on its way, carried out, answered; or what the bus makes of it. */
  #call<T>(signal: AbortSignal, effect: () => T): Promise<T> {
    const process = this.#process;
    if (!process.enter()) return never();
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined;
      const end = (act: () => void): void => {
        signal.removeEventListener('abort', abort);
        this.#open.delete(moved);
        cancel();
        process.deliver(act);
      };
      const abort = (): void => end(() => reject(signal.reason as Error));
      const wait = (ms: number, act: () => void): void => {
        cancel();
        cancel = process.machine.after(ms, act);
      };
      const carryOut = (): void => {
        if (!process.isAlive) return;
        const answer = effect();
        if (process.left()) end(() => resolve(answer));
      };
      const fail = (): void => end(() => reject(closed()));
      const send = (): void => {
        if (this.#bus.state === 'up') return wait(this.#random.between(0.2, 2), carryOut);
        if (this.#bus.state === 'down') return wait(RECONNECT_WAIT_MS, fail);
        if (this.#random.chance(0.5)) effect();
        wait(CALL_TIMEOUT_MS, () => end(() => reject(timeout())));
      };
      let isSent = false;
      const moved = (state: BusState): void => {
        if (state === 'up' && !isSent) {
          isSent = true;
          return send();
        }
        if (state !== 'down' || !isSent) return;
        // Whether systemd has carried it out, nobody hears.
        if (this.#random.chance(0.5)) effect();
        fail();
      };
      this.#open.add(moved);
      signal.addEventListener('abort', abort, { once: true });
      if (this.#bus.state !== 'down') isSent = true;
      send();
    });
  }

  /** The job's end, as JobRemoved tells it; across a broken connection, as the state shows it afterwards. */
  #endOf(job: SystemdJob): Promise<JobResult> {
    const ended = new Promise<JobResult>((resolve, reject) => {
      let isMissed = false;
      const end = (act: () => void): void => {
        this.#open.delete(moved);
        this.#process.deliver(act);
      };
      const told = (result: JobResult): void => {
        if (this.#bus.state !== 'up') isMissed = true;
        else end(() => resolve(result));
      };
      const moved = (state: BusState): void => {
        if (state !== 'up' || !isMissed) return;
        const result = resultOf(job, this.#systemd.units.get(job.unit));
        end(() => (result === undefined ? reject(closed()) : resolve(result)));
      };
      this.#open.add(moved);
      if (job.result === undefined) job.whenEnded.push(told);
      else told(job.result);
    });
    ended.catch(() => undefined); // not everyone stays to hear of it
    return ended;
  }
}

function stateOf(unit: SystemdUnit | undefined): SystemdState {
  if (unit === undefined)
    return { loadState: 'not-found', activeState: 'inactive', subState: 'dead' };
  const { activeState } = unit;
  const subState = activeState === 'active' ? 'running' : 'dead';
  return { loadState: 'loaded', activeState, subState };
}

function resultOf(job: SystemdJob, unit: SystemdUnit | undefined): JobResult | undefined {
  const isStart = job.kind === 'start';
  if (unit?.activeState === 'active') return isStart ? 'done' : undefined;
  if (unit?.activeState === 'failed') return isStart ? 'failed' : 'done';
  if (unit?.activeState === 'inactive') return isStart ? undefined : 'done';
  return undefined;
}

function closed(): FleetError {
  return new FleetError('DBUS_CLOSED', 'no connection to D-Bus: it broke');
}

function timeout(): FleetError {
  return new FleetError('DBUS_TIMEOUT', 'systemd did not answer in time');
}
