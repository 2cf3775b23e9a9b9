// Reports what systemd says of this host's units: soon after a job's end, once a second while something moves, slower when not.
// Invariant: a report comes only after a plan that knew the store: rows are never taken away because nothing was read.
import { isFleetError } from '../src/model/errors.ts';
import { RELIST_INTERVAL_MS } from '../src/model/limits.ts';
import { loadFault } from '../src/model/load-state.ts';
import type { MachineId } from '../src/model/machine.ts';
import type { Orphan } from '../src/model/unit-state.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { CarriedOut, Wanted } from '../src/reconcile/host-picture.ts';
import type { HostPlan, HostRefusal } from '../src/reconcile/host-plan.ts';
import { NOTHING, stateRows, type Look } from '../src/reconcile/host-rows.ts';
import type { HostReport, Report } from '../src/registry/report.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { Wake } from '../src/runtime/wake.ts';
import type { CarriedOutFile } from './carried-out.ts';
import { withFailures } from './failures.ts';
import type { Systemd } from './systemd.ts';
import type { UnitDir } from './unit-dir.ts';

export interface HostReporterDeps {
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly log: Log;
  readonly machine: MachineId;
  readonly incarnation: string;
  readonly unitDir: UnitDir;
  readonly carriedOut: CarriedOutFile;
  readonly report: HostReport;
  readonly view: Readonly<{
    wanted: () => ReadonlyMap<UnitName, Wanted>;
    plan: () => HostPlan | undefined;
    refusals: () => ReadonlyMap<UnitName, HostRefusal>;
    isRunning: (name: UnitName) => boolean;
    /** Whether more jobs are to end. */
    hasMoreJobs: () => boolean;
  }>;
}

/** ms; ends of jobs that come together are one report. */
const GATHER_MS = 10;
/** ms; the same at most, once more than so many have and while others are to follow: each report looks at all rows of the host. */
const GATHER_MANY_MS = 40;
const MANY = 8;
/** ms between two looks at all units: while something moves, and when nothing does. */
const BUSY_MS = 1_000;
const QUIET_MS = 5_000;
/** ms after a write without an answer, of ours or of the fleetd before us, in which etcd may still carry it out, beyond what was written since; it gives up after 7 s itself. */
const LATE_WRITE_MS = 30_000;

/** ms; a start that has not ended in that time is reported as one under way: of most, only the end is. So is what is taken away, whose row goes. */
const UNDER_WAY_MS = 250;

/** The report loop. */
export class HostReporter {
  readonly #deps: HostReporterDeps;
  readonly #wake = new Wake();
  readonly #touched = new Set<string>();
  /** Units that start or are taken away, and when they are looked at if that has not ended by then; in order of that. */
  readonly #underWay = new Map<string, number>();
  /** Orphans and refused units of the last plan. */
  #seen: readonly string[] = [];
  #looks = new Map<UnitName, Look>();
  readonly #orphanTexts = new Map<string, string>();
  #isPlanned = false;
  #isAllDue = true;
  #nextAllAtMs = 0;
  #lastAllAtMs = -Infinity;
  /** When the store's rows are read anew. */
  #forgetAtMs = 0;
  /** Until then a write may be carried out that nobody knows of: rows that are read before are read again. */
  #lateUntilMs = -Infinity;
  /** Nothing was read anew yet: the fleetd before may have written just now. */
  #isFirst = true;

  constructor(deps: HostReporterDeps) {
    this.#deps = deps;
  }

  /** A start or a stop of this unit has ended. */
  touch(name: UnitName): void {
    if (this.#isTakenAway(name)) return this.began(name);
    this.#underWay.delete(name);
    this.#touched.add(name);
    this.#wake.set();
  }

  /** A start of this unit was asked. */
  began(name: UnitName): void {
    this.#underWay.delete(name);
    this.#underWay.set(name, this.#deps.clock.now() + UNDER_WAY_MS);
    this.#wake.set();
  }

  /** A plan was carried out. */
  planned(plan: HostPlan): void {
    const isDue = (name: UnitName): boolean => this.#touched.has(name) || this.#underWay.has(name);
    const goesOn = new Set<string>();
    for (const action of plan.actions)
      if (action.kind === 'start' || (action.kind !== 'reload' && this.#isTakenAway(action.unit)))
        goesOn.add(action.unit);
    for (const action of plan.actions) {
      if (action.kind === 'reload') continue;
      if (!goesOn.has(action.unit)) this.#touched.add(action.unit);
      else if (!isDue(action.unit)) this.began(action.unit);
    }
    const seen = [...plan.orphans, '/', ...plan.refusals.keys()];
    if (seen.join(' ') !== this.#seen.join(' '))
      for (const name of [...seen, ...this.#seen]) this.#touched.add(name);
    this.#seen = seen;
    if (!this.#isPlanned || this.#touched.size > 0) this.#wake.set();
    this.#isPlanned = true;
  }

  /** The rows in the store may have been changed by others: read them again. */
  forget(): void {
    this.#deps.report.forget();
    this.#isAllDue = true;
    this.#wake.set();
  }

  /** Reports until aborted. */
  run(signal: AbortSignal): Promise<void> {
    return runTogether(signal, [(child) => this.#reports(child), (child) => this.#listen(child)]);
  }

  async #listen(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#deps.systemd.changed(signal);
      this.#isAllDue = true;
      this.#wake.set();
      await this.#deps.clock.sleep(GATHER_MS, signal);
    }
  }

  async #reports(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#deps;
    for (;;) {
      await this.#untilDue(signal);
      if (!this.#isPlanned) continue;
      const now = clock.now();
      try {
        if (now >= this.#allAtMs()) await this.#reportAll(signal);
        else await this.#reportTouched(signal);
      } catch (error) {
        signal.throwIfAborted();
        if (isFleetError(error)) {
          log.debug({ code: error.code, err: error.message }, 'a report failed, retrying');
          if (error.details['ambiguous'] === true) {
            this.#lateUntilMs = clock.now() + LATE_WRITE_MS;
            this.#forgetAtMs = Math.min(this.#forgetAtMs, this.#lateUntilMs);
          }
        } else log.error({ err: error }, 'a report ended by a fault, retrying');
        this.#isAllDue = true;
        this.#lastAllAtMs = clock.now();
      }
    }
  }

  /** With the key that is handed over, its row goes too. */
  #isTakenAway(name: UnitName): boolean {
    const wanted = this.#deps.view.wanted().get(name);
    return wanted?.kind === 'release' && wanted.assigned !== undefined;
  }

  /** When all units are looked at next: an event brings it forward, not closer than BUSY_MS to the last. */
  #allAtMs(): number {
    return this.#isAllDue ? this.#lastAllAtMs + BUSY_MS : this.#nextAllAtMs;
  }

  async #untilDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const [underWayAtMs = Infinity] = this.#underWay.values();
    const dueMs = this.#isPlanned
      ? Math.min(this.#allAtMs(), underWayAtMs) - clock.now()
      : QUIET_MS;
    const waitMs = Math.max(GATHER_MS, dueMs);
    await this.#wake.changedWithin(clock, Math.min(waitMs, QUIET_MS), signal);
    signal.throwIfAborted();
    const end = clock.now() + GATHER_MANY_MS;
    const goesOn = (): boolean => this.#touched.size > MANY && this.#deps.view.hasMoreJobs();
    do await clock.sleep(GATHER_MS, signal);
    while (goesOn() && clock.now() < end);
  }

  async #reportTouched(signal: AbortSignal): Promise<void> {
    const now = this.#deps.clock.now();
    for (const [name, atMs] of this.#underWay) {
      if (atMs > now) break;
      this.#underWay.delete(name);
      this.#touched.add(name);
    }
    const names = [...this.#deps.carriedOut.records.keys()].filter((name) =>
      this.#touched.has(name),
    );
    if (this.#touched.size === 0) return;
    this.#touched.clear();
    for (const [name, look] of await this.#ask(names, signal)) this.#looks.set(name, look);
    await this.#write(signal);
  }

  async #reportAll(signal: AbortSignal): Promise<void> {
    const { clock, carriedOut, report } = this.#deps;
    const began = clock.now();
    const unusable = this.#isAllDue ? new Map<UnitName, Look>() : this.#unusable();
    this.#lastAllAtMs = began;
    this.#isAllDue = false;
    this.#touched.clear();
    if (began >= this.#forgetAtMs) {
      if (this.#isFirst) this.#lateUntilMs = began + LATE_WRITE_MS;
      this.#isFirst = false;
      this.#forgetAtMs = began + RELIST_INTERVAL_MS;
      if (began < this.#lateUntilMs) this.#forgetAtMs = this.#lateUntilMs;
      report.forget();
    }
    const names = [...carriedOut.records.keys()].filter((name) => !unusable.has(name));
    this.#looks = new Map([...unusable, ...(await this.#ask(names, signal))]);
    await this.#settleJobs(signal);
    const written = await this.#write(signal);
    const moves = [...this.#looks.values()].some(({ state }) => isMoving(state.activeState));
    this.#nextAllAtMs = began + (moves || written > 0 ? BUSY_MS : QUIET_MS);
  }

  /** Files that systemd cannot use: with each look it would read them anew, and complain of them in the journal again. */
  #unusable(): ReadonlyMap<UnitName, Look> {
    const { records } = this.#deps.carriedOut;
    const isStill = ([name, { done, state }]: readonly [UnitName, Look]): boolean =>
      loadFault(state.loadState) !== undefined &&
      records.get(name) === done &&
      !this.#touched.has(name);
    return new Map([...this.#looks].filter(isStill));
  }

  async #ask(names: readonly UnitName[], signal: AbortSignal): Promise<Map<UnitName, Look>> {
    const { carriedOut, systemd } = this.#deps;
    const looks = new Map<UnitName, Look>();
    if (names.length === 0) return looks;
    const before = new Map(carriedOut.records);
    const states = await systemd.states(names, signal);
    for (const name of names) {
      const done = before.get(name);
      if (done !== undefined) looks.set(name, { done, state: states.get(name) ?? NOTHING });
    }
    return await withFailures(systemd, looks, this.#looks, signal);
  }

  /** A start job whose end nobody here will hear of, because fleetd or its connection began anew: told from the state. */
  async #settleJobs(signal: AbortSignal): Promise<void> {
    const { carriedOut, systemd, view } = this.#deps;
    let settled = 0;
    for (const look of this.#looks.values()) {
      const { done, state } = look;
      if (done.job !== 'running' || view.isRunning(done.name)) continue;
      const { activeState } = state;
      if (isMoving(activeState)) continue;
      const isFailed = activeState === 'failed';
      const result = isFailed ? await systemd.result(done.name, signal) : undefined;
      if (carriedOut.records.get(done.name) !== done) continue; // changed meanwhile
      const end = result === undefined ? {} : { result };
      const ended: CarriedOut = { ...done, job: isFailed ? 'failed' : 'done', ...end };
      carriedOut.set(ended);
      this.#looks.set(done.name, { ...look, done: ended });
      settled += 1;
    }
    if (settled > 0) await carriedOut.save();
  }

  async #write(signal: AbortSignal): Promise<number> {
    const orphans = await this.#orphans(signal);
    // What the store is told must not be unknown to a fleetd that begins anew: it would start a unit again.
    await this.#deps.carriedOut.save();
    return await this.#deps.report.write(() => this.#rows(orphans), signal);
  }

  #rows(orphans: ReadonlyMap<UnitName, Orphan>): Report {
    const { machine, incarnation, carriedOut, view } = this.#deps;
    const wanted = view.wanted();
    const states = stateRows({
      machine,
      incarnation,
      wanted,
      carriedOut: carriedOut.records,
      refusals: view.refusals(),
      orphans: new Set(orphans.keys()),
      looks: this.#looks,
    });
    return { states, orphans, known: wanted.keys() };
  }

  async #orphans(signal: AbortSignal): Promise<ReadonlyMap<UnitName, Orphan>> {
    const { carriedOut, machine, unitDir, view } = this.#deps;
    const orphans = new Map<UnitName, Orphan>();
    for (const name of view.plan()?.orphans ?? []) {
      const done = carriedOut.records.get(name);
      if (done === undefined) continue;
      const { hash, generation, sha256, desiredState } = done;
      const key = `${name} ${sha256}`;
      const text =
        this.#orphanTexts.get(key) ?? (await unitDir.read(name, signal))?.toString('utf8') ?? '';
      this.#orphanTexts.set(key, text);
      const { loadState, activeState, subState } = this.#looks.get(name)?.state ?? NOTHING;
      const state = { loadState, activeState, subState };
      orphans.set(name, { ...state, name, machine, hash, generation, desiredState, text });
    }
    if (orphans.size === 0) this.#orphanTexts.clear();
    return orphans;
  }
}

function isMoving(activeState: string): boolean {
  return activeState.endsWith('ing');
}
