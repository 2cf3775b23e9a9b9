// The jobs that this host has under way at systemd, unit by unit: a unit that hangs holds only itself.
// Invariant: what became of a job is in the record, and on disk, before the store is told of it.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { JobResult } from '../src/model/unit-state.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { CarriedOut } from '../src/reconcile/host-picture.ts';
import { aborted, withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { CheckStart, Job, Systemd } from './systemd.ts';

/**
 * Ends when systemd may be asked to start the unit: with what throws STORE_UNAVAILABLE once it may not any more. `undefined` where it must not,
 * and the plan is to look again.
 */
export type PrepareStart = (
  name: UnitName,
  generation: number,
  signal: AbortSignal,
) => Promise<CheckStart | undefined>;

export interface UnitJobsDeps {
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly log: Log;
  readonly carriedOut: CarriedOutFile;
  readonly prepare: PrepareStart;
  /** A start or a stop has ended, or failed: plan again. */
  readonly wakePlan: () => void;
  /** Something of this unit is worth a report. */
  readonly wakeReport: (name: UnitName) => void;
  /** Systemd has taken a start on: worth a report if it does not end at once. */
  readonly startBegan: (name: UnitName) => void;
}

/** ms; a job that systemd did not take on, or that another replaced, is asked again after this. */
const AGAIN_MS = 1_000;
/** ms; a start that must not be now is planned again after this. */
const NOT_YET_MS = 100;
/** ms; what systemd refuses again and again is asked at least so often. */
const REFUSED_AGAIN_MS = 30_000;
/** ms; a stop that is younger is expected to end soon. */
const SOON_MS = 500;
/** ms; while one stop has ended so lately, the next is expected as well. */
const NEXT_MS = 150;

/** ms between two writes of what became of jobs. */
const SAVE_GATHER_MS = 40;

interface Start {
  readonly generation: number;
  readonly cancel: AbortController;
}

/** Starts and stops under way. */
export class UnitJobs {
  readonly #deps: UnitJobsDeps;
  readonly #starts = new Map<UnitName, Start>();
  readonly #stops = new Map<UnitName, number>();
  /** How often in a row systemd has refused to stop a unit: one with RefuseManualStop=, say. */
  readonly #refusedStops = new Map<UnitName, number>();
  /** When the last stop ended. */
  #stopEndedAtMs = -Infinity;
  #nextSaveAtMs = 0;
  /** Start jobs that systemd has taken on and that have not ended, by generation. */
  readonly #running = new Map<UnitName, number>();
  readonly #tasks = new Set<Promise<void>>();

  constructor(deps: UnitJobsDeps) {
    this.#deps = deps;
  }

  get stopping(): Iterable<UnitName> {
    return this.#stops.keys();
  }

  /** Generations whose start systemd has not taken on yet. */
  get starting(): ReadonlyMap<UnitName, number> {
    return new Map([...this.#starts].map(([name, { generation }]) => [name, generation]));
  }

  /** Whether nothing is under way that will come to an end. */
  get isIdle(): boolean {
    return this.#starts.size === 0 && this.awaitedStops.length === 0;
  }

  /** Whether more jobs are to end here. */
  get hasMore(): boolean {
    return this.#running.size > 0 || this.#starts.size > 0 || this.#stops.size > 0;
  }

  /** Units whose stop systemd has not refused. */
  get awaitedStops(): readonly UnitName[] {
    return [...this.#stops.keys()].filter((name) => !this.#refusedStops.has(name));
  }

  /** Says whether the end of this unit's start job will be heard of here. */
  isRunning(name: UnitName): boolean {
    return this.#running.has(name) || this.#starts.has(name);
  }

  /** ms for which more stops are expected to end, so that one reload, which costs `reloadMs`, serves all; 0 where none is. */
  moreStopsWithinMs(reloadMs: number): number {
    let asked = -Infinity;
    for (const [name, at] of this.#stops)
      if (!this.#refusedStops.has(name)) asked = Math.max(asked, at);
    if (asked === -Infinity) return 0;
    const nextMs = Math.max(NEXT_MS, reloadMs);
    const expected = Math.max(asked + SOON_MS, this.#stopEndedAtMs + nextMs);
    return Math.max(0, expected - this.#deps.clock.now());
  }

  /** Asks systemd to start the unit; takes the place of a start that still waits. */
  start(name: UnitName, generation: number, signal: AbortSignal): void {
    this.#starts.get(name)?.cancel.abort(new Error('a newer start was asked'));
    const start = { generation, cancel: new AbortController() };
    this.#starts.set(name, start);
    this.#run(name, signal, async () => {
      const job = await this.#ask(name, start, signal);
      if (job === undefined) this.#deps.wakePlan();
      else
        await Promise.all([
          this.#noteStart(name, generation, { job: 'running' }, signal),
          this.#await(name, generation, job, signal),
        ]);
    });
  }

  /** Asks systemd to stop the unit, also in the midst of its start. */
  stop(name: UnitName, signal: AbortSignal): void {
    this.#starts.get(name)?.cancel.abort(new Error('a stop was asked'));
    this.#stops.set(name, this.#deps.clock.now());
    this.#run(name, signal, async () => {
      try {
        await this.#stopNow(name, signal);
      } finally {
        this.#stops.delete(name);
        this.#stopEndedAtMs = this.#deps.clock.now();
        this.#deps.wakePlan();
      }
      await this.#save(signal); // whatever the plan makes of it, it notes on the disk before
    });
  }

  /** Ends when no task is left; they end when their signal has aborted. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#tasks);
  }

  #run(name: UnitName, signal: AbortSignal, task: () => Promise<void>): void {
    const running = task()
      .catch((error: unknown) => {
        if (signal.aborted || isFleetError(error, 'DBUS_CLOSED')) return;
        this.#deps.log.error({ unit: name, err: error }, 'a unit job ended by a fault');
      })
      .finally(() => this.#tasks.delete(running));
    this.#tasks.add(running);
  }

  /** The job's end, or undefined where systemd did not take it on. */
  async #ask(name: UnitName, start: Start, signal: AbortSignal): Promise<Job | undefined> {
    const { systemd, clock, log, prepare } = this.#deps;
    try {
      return await this.#whileWanted(start, signal, async (wanted) => {
        const check = await prepare(name, start.generation, wanted);
        if (check !== undefined) return await systemd.start(name, wanted, check);
        await clock.sleep(NOT_YET_MS, wanted);
        return undefined;
      });
    } catch (error) {
      if (start.cancel.signal.aborted || signal.aborted) return undefined;
      if (!isFleetError(error)) throw error;
      if (isFleetError(error, 'DBUS_CALL_FAILED')) {
        log.info({ unit: name, err: error.message }, 'systemd refuses to start a unit');
        await this.#noteStart(
          name,
          start.generation,
          { job: 'failed', result: error.message },
          signal,
        );
        return undefined;
      }
      log.warn(
        { unit: name, code: error.code, err: error.message },
        'a start was not asked, or not answered, trying again',
      );
      await clock.sleep(AGAIN_MS, signal);
      return undefined;
    } finally {
      if (this.#starts.get(name) === start) this.#starts.delete(name);
    }
  }

  /** Runs `call` with a signal that aborts with `signal` and when the start is cancelled. */
  async #whileWanted<T>(
    start: Start,
    signal: AbortSignal,
    call: (wanted: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const forward = (): void => start.cancel.abort(signal.reason);
    if (signal.aborted) forward();
    else signal.addEventListener('abort', forward, { once: true });
    try {
      return await withChildSignal(start.cancel.signal, call);
    } finally {
      signal.removeEventListener('abort', forward);
    }
  }

  async #await(name: UnitName, generation: number, job: Job, signal: AbortSignal): Promise<void> {
    this.#running.set(name, generation);
    try {
      const end = await endOf(job, signal);
      const result = end === 'done' ? undefined : await this.#resultOf(name, signal);
      this.#hasEnded(name, generation);
      const why = result === undefined ? {} : { result };
      await this.#noteStart(name, generation, { job: end, ...why }, signal);
    } finally {
      this.#hasEnded(name, generation);
    }
  }

  #hasEnded(name: UnitName, generation: number): void {
    if (this.#running.get(name) === generation) this.#running.delete(name);
  }

  async #resultOf(name: UnitName, signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#deps.systemd.result(name, signal);
    } catch (error) {
      if (isFleetError(error)) return undefined; // the report goes without it
      throw error;
    }
  }

  async #noteStart(
    name: UnitName,
    generation: number,
    end: Readonly<{ job: JobResult; result?: string }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { carriedOut, wakeReport, startBegan } = this.#deps;
    const before = carriedOut.records.get(name);
    // Stopped or started anew meanwhile: this job is of the past.
    if (before?.desiredState !== 'launched' || before.generation !== generation) return;
    const { result: _result, ended: _ended, ...rest } = before;
    carriedOut.set({ ...rest, started: generation, ...end });
    // A report writes the note before it tells of it.
    if (end.job === 'running') startBegan(name);
    else wakeReport(name);
    await this.#save(signal);
  }

  /** Notes of many jobs that move at the same time share few writes; the first is written at once. */
  async #save(signal: AbortSignal): Promise<void> {
    const { clock, carriedOut } = this.#deps;
    const now = clock.now();
    this.#nextSaveAtMs = Math.max(now, this.#nextSaveAtMs);
    const waitMs = this.#nextSaveAtMs - now;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    else this.#nextSaveAtMs = now + SAVE_GATHER_MS;
    await carriedOut.save();
  }

  async #stopNow(name: UnitName, signal: AbortSignal): Promise<void> {
    const { systemd, clock, log, carriedOut, wakeReport } = this.#deps;
    let isTaken = false;
    try {
      const job = await systemd.stop(name, signal);
      this.#refusedStops.delete(name);
      isTaken = true;
      const end = await endOf(job, signal);
      if (end === 'canceled')
        throw new FleetError('DBUS_CALL_FAILED', `the stop of '${name}' was canceled`);
      const before = carriedOut.records.get(name);
      if (before !== undefined) carriedOut.set(stopped(before));
      wakeReport(name);
    } catch (error) {
      if (signal.aborted || !isFleetError(error)) throw error;
      const fields = { unit: name, code: error.code, err: error.message };
      log.warn(fields, 'a stop did not end, asking again');
      const refused = this.#refusedStops.get(name) ?? 0;
      if (!isTaken && error.code === 'DBUS_CALL_FAILED') this.#refusedStops.set(name, refused + 1);
      await clock.sleep(Math.min(AGAIN_MS * 2 ** refused, REFUSED_AGAIN_MS), signal);
    }
  }
}

/** How the job ended; rejects when `signal` aborts: a job may take for ever, and fleetd does not stay for it. */
async function endOf(job: Job, signal: AbortSignal): Promise<JobResult> {
  return await withChildSignal(signal, async (child) => {
    const ended = await Promise.race([job.ended, aborted(child)]);
    signal.throwIfAborted();
    if (ended === undefined) throw new Error('a job is over before it has ended');
    return ended;
  });
}

function stopped(before: CarriedOut): CarriedOut {
  const { started: _started, job: _job, result: _result, ending: _ending, ...rest } = before;
  return { ...rest, desiredState: 'loaded', stopped: true };
}
