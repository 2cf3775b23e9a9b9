// A term of the leader: the cluster's records → picture → plan → fenced writes, pass by pass.
// Invariant: it decides from the picture only; a pass may be repeated at any moment and stopped between any two writes.
import { OrderedMap } from '../collections/ordered-map.ts';
import { FleetError, isFleetError } from '../model/errors.ts';
import type { UnitName } from '../model/unit.ts';
import { planEngine, type EnginePlan } from '../reconcile/engine-plan.ts';
import { applyAction } from '../reconcile/engine-effects.ts';
import { withChildSignal } from '../runtime/abort.ts';
import { runTogether } from '../runtime/tasks.ts';
import { commit, type Fence } from '../registry/commit.ts';
import { writesOf } from '../registry/engine-writes.ts';
import { decode } from '../registry/codec.ts';
import { ClusterPicture } from '../scheduler/cluster.ts';
import { FILTERS, type Filters } from '../scheduler/filters.ts';
import { Mirror } from '../store/mirror.ts';
import { Slices } from '../store/slices.ts';
import { RELIST_INTERVAL_MS } from '../model/limits.ts';
import { AbsenceRecords } from './absence-records.ts';
import { AbsenceWatch, type AbsenceMemory, type Evidence } from './absence-watch.ts';
import { feed } from './feed.ts';
import { keepHouse, type HouseDeps } from './housekeeping.ts';
import type { LeadershipDeps } from './leadership.ts';

export interface TermDeps extends LeadershipDeps {
  /** ms; the safety net: a pass at least so often. Changes are acted on at once. */
  readonly intervalMs: number;
  /** What this process knows of its own connection to the store. */
  readonly evidence: Evidence;
  readonly filters?: Filters;
  /** Units that the picture may have; with more of them the term ends. */
  readonly unitsMax?: number;
}

export interface TermStart {
  readonly fence: Fence;
  /** Of the terms before; written to. */
  readonly memory: AbsenceMemory;
}

/** ms of planning and applying at a stretch: heartbeats and the API wait no longer than this. */
const SLICE_MS = 20;
const FIRST_LIMIT = 100;
const MAX_LIMIT = 1_000;

/**
 * Decides for the cluster until `signal` aborts, or ends where the cluster has grown beyond `unitsMax`. Rejects with LEADERSHIP_LOST where
 * another term has to begin.
 */
export async function runTerm(
  deps: TermDeps,
  start: TermStart,
  signal: AbortSignal,
): Promise<void> {
  const { fence } = start;
  const { kv, keys, clock, log } = deps;
  const mirror = new Mirror({
    kv,
    prefix: keys.cluster,
    clock,
    random: deps.random,
    relistIntervalMs: RELIST_INTERVAL_MS,
    log: (event) => {
      if (event.kind === 'failed')
        log.warn(
          { code: event.error.code, err: event.error.message },
          'cluster mirror failed, listing again',
        );
    },
  });
  const term = new EngineTerm(deps, start, mirror);
  await runTogether(signal, [
    (child) => mirror.run(child),
    (child) => term.run(child),
    (child) => keepHouse({ kv, keys, clock, log, fence, ...term.forHousekeeping() }, child),
  ]);
}

/** One term's picture and what it still has to do. */
class EngineTerm {
  readonly #deps: TermDeps;
  readonly #fence: Fence;
  readonly #memory: AbsenceMemory;
  readonly #mirror: Mirror;
  readonly #reversions: number;
  readonly #sinceMs: number;
  readonly #picture = new ClusterPicture();
  readonly #absence: AbsenceWatch;
  readonly #records: AbsenceRecords;
  /** The compare of a write was lost: the mirror is to bring what changed before more is decided. */
  #hasLost = false;
  #limit = FIRST_LIMIT;
  readonly #named = new Set<string>();

  constructor(deps: TermDeps, { fence, memory }: TermStart, mirror: Mirror) {
    this.#deps = deps;
    this.#fence = fence;
    this.#memory = memory;
    this.#mirror = mirror;
    this.#reversions = deps.kv.reversions;
    this.#sinceMs = deps.clock.now();
    const absence = new AbsenceWatch(this.#picture, deps, memory);
    this.#absence = absence;
    this.#records = new AbsenceRecords({ ...deps, fence, absence });
  }

  /** What housekeeping asks of the term. */
  forHousekeeping(): Pick<
    HouseDeps,
    'absent' | 'destroyedGlobals' | 'forgotten' | 'reportedBy' | 'revision' | 'unreadable'
  > {
    return {
      absent: () => this.#absence.absent(),
      forgotten: (id) => this.#absence.forget(id),
      destroyedGlobals: () =>
        [...this.#picture.globals]
          .filter(({ unit, global }) => unit === undefined && global?.release === true)
          .map(({ name, globalRevision }) => ({ name, revision: globalRevision })),
      reportedBy: (id) => {
        const held = this.#picture.machine(id)?.holds ?? [];
        return [...new Set([...held, ...this.#picture.globals])].map(({ name }) => name);
      },
      revision: () => this.#mirror.revision,
      unreadable: (kv, error) => this.#leaveAlone(kv.key, error),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, unitsMax = Infinity } = this.#deps;
    await this.#readPendings(signal);
    this.#absence.resume(await this.#records.readBrake(signal));
    while (this.#picture.unitCount <= unitsMax) {
      const nextMs = await this.#pass(signal);
      await withChildSignal(signal, async (child) => {
        const waits = [
          clock.sleep(Math.min(intervalMs, nextMs), child),
          this.#mirror.changed(child),
        ];
        try {
          await Promise.race(waits);
        } finally {
          for (const wait of waits) wait.catch(() => undefined);
        }
      });
      signal.throwIfAborted();
    }
  }

  /** Takes what changed, decides, writes. Answers the ms after which it should be called again if nothing changes. */
  async #pass(signal: AbortSignal): Promise<number> {
    await this.#takeChanges(signal);
    if (!this.#mirror.synced) return Infinity;
    this.#hasLost = false;
    const nextMs = await this.#absence.look(signal);
    await this.#records.write(signal); // before anything is moved: the next leader must know what was believed
    while (this.#picture.dirtyCount > 0) {
      await this.#slice(signal);
      // What the picture says is old: nothing more is moved for it until the mirror has brought why, or it is time to look again.
      if (this.#hasLost) break;
      await this.#deps.clock.sleep(0, signal); // heartbeats and requests first
      await this.#takeChanges(signal);
    }
    return nextMs;
  }

  async #takeChanges(signal: AbortSignal): Promise<void> {
    const { clock, keys, kv, evidence } = this.#deps;
    // Found out by any call of this process: until the mirror has listed again its picture is of a history that is no more.
    const isKnown = kv.reversions !== this.#reversions || evidence.restoredAt() > this.#sinceMs;
    if (this.#mirror.takeRestored() || isKnown) {
      this.#memory.discontinuityAtMs = clock.now();
      throw new FleetError(
        'LEADERSHIP_LOST',
        'the store went back in time: another term begins from what it says now',
      );
    }
    const slices = new Slices(clock, signal);
    const revision = this.#mirror.revision;
    for (const change of this.#mirror.takeChanges()) {
      feed(
        {
          keys,
          picture: this.#picture,
          machine: (id, machine, kv) => {
            this.#absence.saw(id, machine, kv);
            this.#records.sawMachine(id);
          },
          host: (id, host, revision) => this.#records.saw(id, host, revision),
          unreadable: (key, error) => this.#leaveAlone(key, error),
        },
        change,
        revision,
      );
      await slices.breathe();
    }
  }

  /** Decides some of the dirty units and writes what was decided. */
  async #slice(signal: AbortSignal): Promise<void> {
    const { clock, log, kv, keys } = this.#deps;
    const began = clock.now();
    const dirty = this.#picture.takeDirty(this.#limit);
    const plan = planEngine(this.#picture, dirty, dirty.length, this.#deps.filters ?? FILTERS);
    const tookMs = clock.now() - began;
    if (tookMs > SLICE_MS) this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    else if (dirty.length === this.#limit) this.#limit = Math.min(this.#limit * 2, MAX_LIMIT);
    this.#nameFaults(plan);
    if (plan.actions.length === 0) return;
    try {
      const writes = writesOf(keys, plan.actions);
      const { committed, lost } = await commit(kv, this.#fence, writes, signal);
      const revisions = new OrderedMap<bigint>();
      for (const { write, revision } of committed) revisions.set(write.unit, revision);
      await this.#carryOut(plan, revisions, signal);
      this.#decideAgain(lost.map(({ unit }) => unit));
    } catch (error) {
      // Whether it was written or not, the mirror will say; until then the units are to be decided again.
      this.#decideAgain(dirty);
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
      log.warn({ code: error.code, err: error.message }, 'engine writes failed, deciding again');
    }
  }

  /** Writes of these were lost. At once: a unit that is gone with the next changes takes with it what was decided by it. */
  #decideAgain(units: readonly UnitName[]): void {
    if (units.length === 0) return;
    this.#hasLost = true;
    this.#picture.markDirty(units);
  }

  async #carryOut(
    plan: EnginePlan,
    revisions: OrderedMap<bigint>,
    signal: AbortSignal,
  ): Promise<void> {
    const slices = new Slices(this.#deps.clock, signal);
    for (const action of plan.actions) {
      await slices.breathe();
      const revision = revisions.get(action.unit);
      if (revision === undefined) continue;
      applyAction(this.#picture, action, revision);
      if (action.kind === 'pending' || action.kind === 'settled') continue;
      const machine = 'machine' in action ? action.machine : action.from;
      this.#deps.log.info(
        {
          kind: action.kind,
          unit: action.unit,
          machine,
          because: action.because,
          revision: String(revision),
        },
        'engine action',
      );
    }
  }

  /** A record that does not decode is named once a term. */
  #leaveAlone(key: string, error: Error): void {
    if (!this.#named.has(key))
      this.#deps.log.warn({ key, err: error.message }, 'record left alone');
    this.#named.add(key);
  }

  /** A unit that cannot be planned is named once a term; its pending record says so to the user. */
  #nameFaults(plan: EnginePlan): void {
    for (const { unit, error } of plan.faults) {
      if (!this.#named.has(unit))
        this.#deps.log.error({ unit, err: error }, 'unit cannot be planned');
      this.#named.add(unit);
    }
  }

  /** The last leader's `pending/` records: the picture must know what to delete. */
  async #readPendings(signal: AbortSignal): Promise<void> {
    const { kv, keys, clock } = this.#deps;
    const { kvs } = await kv.range(keys.pendings, {}, signal);
    const slices = new Slices(clock, signal);
    for (const { key, value } of kvs) {
      await slices.breathe();
      try {
        const pending = decode('pending', key, value);
        this.#picture.applyPending(pending.name, pending);
      } catch (error) {
        if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
        this.#leaveAlone(key, error);
      }
    }
  }
}
