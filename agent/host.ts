// This machine's loop: mirrors of its keys, plan, apply. It goes on with what it knows when the store is away.
// Invariant: a pass waits for no job of systemd and for no answer of the store.
import { isFleetError } from '../src/model/errors.ts';
import type { MachineId, Metadata } from '../src/model/machine.ts';
import type { UnitName } from '../src/model/unit.ts';
import { planHost, stopsOf, type HostPlan } from '../src/reconcile/host-plan.ts';
import type { HostPicture } from '../src/reconcile/host-picture.ts';
import type { Registry } from '../src/registry/registry.ts';
import { HostReport } from '../src/registry/report.ts';
import { withChildSignal } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { Wake } from '../src/runtime/wake.ts';
import { applyActions } from './apply.ts';
import type { CarriedOutFile } from './carried-out.ts';
import type { CutOffNotes } from './cut-off-notes.ts';
import { CutOff, type LeaseView } from './cut-off.ts';
import type { DropIns } from './drop-ins.ts';
import { Fencing } from './fencing.ts';
import { gather } from './gather.ts';
import { HandOvers, type Announced } from './hand-overs.ts';
import { HostDesired } from './host-desired.ts';
import { HostMirrors } from './host-mirrors.ts';
import { HostQuestions } from './host-questions.ts';
import { recoverRecords, settleStops } from './host-recover.ts';
import { HostReporter } from './host-reporter.ts';
import type { KeptDesired } from './kept-desired.ts';
import { keepDesired } from './keep-desired.ts';
import { LoadFailures } from './load-failures.ts';
import { unstickStops } from './stuck-stops.ts';
import type { Permits } from './permits.ts';
import { Reloads } from './reloads.ts';
import type { Systemd } from './systemd.ts';
import type { TokenFile } from './token-file.ts';
import type { UnitDir } from './unit-dir.ts';
import { UnitJobs, type PrepareStart } from './unit-jobs.ts';

export interface HostDeps {
  readonly registry: Registry;
  readonly systemd: Systemd;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly machine: MachineId;
  readonly incarnation: string;
  readonly unitDir: UnitDir;
  readonly carriedOut: CarriedOutFile;
  readonly kept: KeptDesired;
  readonly dropIns: DropIns;
  readonly permits: Permits;
  readonly notes: CutOffNotes;
  readonly tokens: TokenFile;
  readonly lease: LeaseView;
  /** The manager is the user's. */
  readonly isUser: boolean;
  /** What this host can do, as it says in its machine record. */
  readonly capabilities: () => Readonly<Record<string, string>>;
  readonly configuredMetadata: () => Metadata;
}

/** ms; a pass that failed is tried again after this, a faulty one after longer. */
const FAILED_MS = 1_000;
const FAULT_MS = 5_000;
/** ms; a pass at least so often, for what no event tells. */
const IDLE_MS = 30_000;
/** passes in a row; a leaving host gives up after so many. */
const FAILED_PASSES_MAX = 10;

/** One host: `run` it; `leave` it where its units are to be given away. */
export class Host {
  readonly #deps: HostDeps;
  readonly #mirrors: HostMirrors;
  readonly #desired: HostDesired;
  readonly #questions: HostQuestions;
  readonly #jobs: UnitJobs;
  readonly #handOvers: HandOvers;
  readonly #fencing: Fencing;
  readonly #cutOff: CutOff;
  readonly #reporter: HostReporter;
  readonly #reloads: Reloads;
  readonly #wake = new Wake();
  readonly #passed = new Wake();
  readonly #loadFailures = new LoadFailures();
  #plan: HostPlan | undefined;
  #isLeaving = false;
  /** The last pass has carried out the stops of its plan alone. */
  #wereStopsOnly = false;
  #failedPasses = 0;
  /** The decision that is on the disk, as `HostDesired.decisions` counts them. */
  #keptDecision = 0;
  /** The plan is of after `leave`. */
  #isLeavePlanned = false;

  constructor(deps: HostDeps) {
    this.#deps = deps;
    const { registry, machine, log, systemd, clock, carriedOut } = deps;
    this.#reloads = new Reloads(deps);
    const { kv, keys } = registry;
    const wakePlan = (): void => this.#wake.set();
    this.#mirrors = new HostMirrors({
      ...deps,
      changed: wakePlan,
      restored: () => {
        this.#fencing.raise();
        this.#reporter.forget(); // what it says of this host is old
        this.#handOvers.forget();
      },
    });
    const { configuredMetadata, capabilities, unitDir, kept } = deps;
    const { schedule, globals, metadata } = this.#mirrors;
    const facts = { machine, configuredMetadata, capabilities };
    this.#desired = new HostDesired({ keys, log, ...facts, schedule, globals, metadata });
    this.#questions = new HostQuestions({
      registry,
      systemd,
      clock,
      log,
      unitDir,
      keptText: (sha256) => kept.text(sha256),
      answered: wakePlan,
    });
    this.#fencing = new Fencing(deps);
    this.#cutOff = new CutOff({ ...deps, wakePlan });
    this.#jobs = new UnitJobs({
      systemd,
      clock,
      log,
      carriedOut,
      prepare: (...start) => this.#prepare(...start),
      wakePlan,
      wakeReport: (name) => this.#reporter.touch(name),
      startBegan: (name) => this.#reporter.began(name),
    });
    const report = new HostReport(kv, keys, machine);
    this.#handOvers = new HandOvers({ report, clock, log, done: wakePlan });
    const view = {
      wanted: () => this.#desired.wanted,
      plan: () => this.#plan,
      refusals: () => this.#loadFailures.joinedWith(this.#plan?.refusals),
      isRunning: (name: UnitName) => this.#jobs.isRunning(name),
      hasMoreJobs: () => this.#jobs.hasMore,
    };
    this.#reporter = new HostReporter({ ...deps, report, view });
  }

  /** Runs until aborted; then rejects. What runs here is left as it is. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await runTogether(signal, [
        (child) => this.#passes(child),
        (child) => this.#questions.run(child),
        (child) => this.#handOvers.run(child),
        (child) => this.#fencing.run(child),
        (child) => this.#cutOff.run(child),
        (child) => this.#reporter.run(child),
        (child) => this.#mirrors.run(child),
      ]);
    } finally {
      await this.#jobs.settled();
      await this.#deps.carriedOut.save();
    }
  }

  /** To be called before `run`, as soon as fleetd begins. Throws what systemd and the disk throw. */
  async settleStops(signal: AbortSignal): Promise<void> {
    await settleStops(this.#deps, signal);
  }

  /** From now on everything is stopped and handed over, once `announced` answers; `run` has to go on meanwhile. */
  leave(announced?: Announced): void {
    this.#isLeaving = true;
    if (announced !== undefined) this.#handOvers.leave(announced);
    this.#desired.leave(this.#deps.carriedOut.records.keys());
    this.#wake.set();
  }

  /** The store was not reached for so long that what may start without it does, from the disk; until it is reached. */
  startFromDisk(): void {
    this.#desired.useDisk(this.#deps.kept.read());
    this.#wake.set();
  }

  /** Ends when no unit of the store's is left here; answers false where passes fail for so long that nothing will come of it. */
  async unitsGone(signal: AbortSignal): Promise<boolean> {
    const isGone = (): boolean =>
      this.#isLeavePlanned &&
      this.#jobs.isIdle &&
      this.#plan?.actions.every(({ kind }) => kind === 'hand-over') === true;
    const { systemd, clock, log } = this.#deps;
    const stopping = (): readonly UnitName[] => this.#jobs.awaitedStops;
    await withChildSignal(signal, async (child) => {
      const unsticking = unstickStops({ systemd, clock, log, stopping }, child);
      unsticking.catch(() => undefined); // ends with the scope
      while (!isGone() && this.#failedPasses < FAILED_PASSES_MAX) await this.#passed.changed(child);
    });
    return isGone();
  }

  /** Ends when every key is handed over as well. */
  async handedOver(signal: AbortSignal): Promise<void> {
    while (!this.#handOvers.isIdle || (this.#plan?.actions.length ?? 1) > 0)
      await this.#passed.changed(signal);
  }

  /** The machine was registered: others may have removed the rows of one that was not. */
  registered(): void {
    this.#reporter.forget();
    this.#fencing.raise();
  }

  /** Others may have believed this machine gone: nothing is done until what they have made of that is known. */
  doubt(): void {
    this.#mirrors.doubt();
  }

  /** Clock time in ms at which the store was last found to be of another history; -Infinity for never. */
  get restoredAtMs(): number {
    return this.#mirrors.restoredAtMs;
  }

  /** The configured metadata has changed. */
  reconfigured(): void {
    this.#desired.reconfigured();
    this.#wake.set();
  }

  /** For SIGUSR1. */
  dump(): object {
    return {
      synced: this.#desired.synced,
      known: this.#desired.known,
      carriedOut: [...this.#deps.carriedOut.records.values()],
      stopping: [...this.#jobs.stopping],
      starting: Object.fromEntries(this.#jobs.starting),
      orphans: this.#plan?.orphans ?? [],
      refusals: Object.fromEntries(this.#loadFailures.joinedWith(this.#plan?.refusals)),
      unreadable: [...this.#desired.unreadable],
    };
  }

  async #passes(signal: AbortSignal): Promise<never> {
    const { clock, log } = this.#deps;
    const { schedule } = this.#mirrors;
    const look = (): boolean => this.#look();
    let isRecovered = false;
    for (;;) {
      signal.throwIfAborted();
      let waitMs = IDLE_MS;
      try {
        if (!isRecovered) await recoverRecords(this.#deps, signal);
        isRecovered = true;
        waitMs = await this.#pass(signal);
        this.#failedPasses = 0;
      } catch (error) {
        signal.throwIfAborted();
        this.#failedPasses += 1;
        waitMs = isFleetError(error) ? FAILED_MS : FAULT_MS;
        if (isFleetError(error))
          log.warn({ code: error.code, err: error.message }, 'a pass failed, retrying');
        else log.error({ err: error }, 'a pass ended by a fault, retrying');
        await clock.sleep(waitMs, signal);
        continue;
      } finally {
        this.#passed.set();
      }
      await this.#wake.changedWithin(clock, waitMs, signal);
      await gather(
        { clock, schedule, reloads: this.#reloads, questions: this.#questions, look },
        signal,
      );
    }
  }

  /** Asks what the next pass has to know. Answers whether it has something to stop. */
  #look(): boolean {
    if (!this.#mirrors.agree || this.#isLeaving) return this.#isLeaving;
    try {
      this.#desired.refresh();
      if (!this.#desired.known) return false;
      const plan = planHost(this.#picture());
      this.#questions.ask(plan);
      return stopsOf(plan).length > 0;
    } catch {
      return true; // the pass meets the same fault, and says so
    }
  }

  /** Plans and applies once. Answers after how many ms to look again at the latest. */
  async #pass(signal: AbortSignal): Promise<number> {
    if (!this.#mirrors.agree && !this.#isLeaving) return IDLE_MS;
    this.#desired.refresh();
    if (!this.#desired.known && !this.#isLeaving) return IDLE_MS;
    const plan = planHost(this.#picture());
    this.#plan = plan;
    this.#reloads.planned(plan);
    this.#isLeavePlanned = this.#isLeaving;
    this.#questions.ask(plan);
    const startable = this.#keep(signal);
    startable.catch(() => undefined); // it is awaited below, or the pass has failed before
    if (plan.actions.length > 0) {
      // Stops at once, and what costs a reload behind them: but not behind those of the next pass too.
      const stops = this.#wereStopsOnly ? [] : stopsOf(plan);
      this.#wereStopsOnly = stops.length > 0;
      await applyActions(
        {
          ...this.#deps,
          jobs: this.#jobs,
          reloads: this.#reloads,
          texts: this.#questions.texts,
          handOver: (name, revision) => this.#handOvers.add(name, revision),
          loadFailed: (target, error) =>
            this.#loadFailures.note(target, error, this.#deps.clock.now()),
          startable,
        },
        stops.length > 0 ? stops : plan.actions,
        signal,
      );
      this.#forget();
      this.#cutOff.unitsChanged();
      this.#wake.set(); // until a plan has nothing to do
    }
    await startable;
    if (this.#desired.synced || this.#isLeaving) this.#reporter.planned(plan);
    return this.#waitMs();
  }

  /** Puts what is wanted on the disk. A disk that refuses it keeps no unit from running now; it is tried again with each pass. */
  async #keep(signal: AbortSignal): Promise<void> {
    const { kept, unitDir, log, machine } = this.#deps;
    const { decisions } = this.#desired;
    if (decisions === this.#keptDecision || !(this.#desired.synced || this.#isLeaving)) return;
    const texts = this.#questions.texts;
    const desired = this.#desired.toKeep();
    try {
      const learnTokens = (child: AbortSignal): Promise<boolean> => this.#fencing.learn(child);
      const input = { kept, unitDir, machine, texts, desired, learnTokens };
      const isWhole = await keepDesired(input, signal);
      if (isWhole) this.#keptDecision = decisions;
    } catch (error) {
      signal.throwIfAborted();
      log.error({ err: error }, 'the desired state cannot be kept on the disk, going on without');
    }
  }

  #picture(): HostPicture {
    const { wanted, unreadable } = this.#desired;
    return {
      wanted,
      unreadable,
      carriedOut: this.#deps.carriedOut.records,
      elsewhere: this.#questions.elsewhere,
      texts: this.#questions.textStates,
      loadFailures: this.#loadFailures.at(this.#deps.clock.now()),
      busy: new Set([...this.#jobs.stopping, ...this.#handOvers.busy(wanted)]),
      starting: this.#jobs.starting,
      moreAreStopping: this.#jobs.moreStopsWithinMs(this.#reloads.worthMs) > 0,
      unloadsOverdue: this.#reloads.unloadsWithinMs() <= 0,
    };
  }

  #waitMs(): number {
    const stopsMs = this.#jobs.moreStopsWithinMs(this.#reloads.worthMs);
    const unloadsMs = this.#reloads.unloadsWithinMs();
    const retries = this.#loadFailures.waits(this.#deps.clock.now());
    return Math.max(1, Math.min(IDLE_MS, ...retries, unloadsMs, stopsMs > 0 ? stopsMs : IDLE_MS));
  }

  /** A fenced unit starts with a token, and only while it is asked for; one that stops when cut off only where something will stop it. */
  readonly #prepare: PrepareStart = async (name, generation, signal) => {
    const { fenced, stopsCutOff } = this.#deps.carriedOut.records.get(name) ?? {};
    if (stopsCutOff !== true) await this.#cutOff.spare(name, signal);
    if (fenced !== true) return () => undefined;
    if (await this.#isStopping(name, signal)) return undefined;
    const askedBy = this.#desired.askedBy(name);
    if (askedBy === undefined) return undefined;
    if (!(await this.#fencing.prepare({ name, generation, askedBy }, signal))) return undefined;
    if (stopsCutOff === true && !(await this.#cutOff.permit(name, signal))) return undefined;
    return () => (askedBy === 'disk' ? undefined : this.#fencing.throwIfLate());
  };

  /** Behind a stop systemd would keep the start for later, for a time of which neither token nor permit says anything. */
  async #isStopping(name: UnitName, signal: AbortSignal): Promise<boolean> {
    const states = await this.#deps.systemd.states([name], signal);
    return states.get(name)?.activeState === 'deactivating';
  }

  /** Failures and answers that concern nothing any more. */
  #forget(): void {
    const records = this.#deps.carriedOut.records;
    const wantedTexts = new Set<string>();
    for (const [name, wanted] of this.#desired.wanted) {
      if (wanted.kind === 'keep' && records.get(name)?.sha256 !== wanted.target.sha256)
        wantedTexts.add(wanted.target.sha256);
    }
    this.#loadFailures.keepOnly(wantedTexts);
    this.#questions.forget(records.keys(), wantedTexts);
  }
}
