// Keys that are to be handed over: deleted in few transactions, beside the passes, until the store has taken them.
// Invariant: a key is deleted only as it was when its unit's end was planned, by a host that leaves only while its own key says so.
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Wanted } from '../src/reconcile/host-picture.ts';
import type { HostReport } from '../src/registry/report.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { Wake } from '../src/runtime/wake.ts';

export interface HandOversDeps {
  readonly report: HostReport;
  readonly clock: Clock;
  readonly log: Log;
  /** Some were handed over: plan again. */
  readonly done: () => void;
}

/** Says in the machine's key that it leaves, and answers what it holds then; undefined while it is not ours. */
export type Announced = (signal: AbortSignal) => Promise<string | undefined>;

/** ms between two tries. */
const AGAIN_MS = 500;

/** The queue, and what was handed over and is still to be seen in the mirror. */
export class HandOvers {
  readonly #deps: HandOversDeps;
  readonly #queue = new Map<UnitName, bigint>();
  /** Settled at this revision: the mirror is behind while it shows that. */
  readonly #settled = new Map<UnitName, bigint>();
  readonly #wake = new Wake();
  #announced: Announced | undefined;

  constructor(deps: HandOversDeps) {
    this.#deps = deps;
  }

  /** From now on keys are handed over because the host leaves. */
  leave(announced: Announced): void {
    this.#announced = announced;
  }

  get isIdle(): boolean {
    return this.#queue.size === 0;
  }

  add(name: UnitName, revision: bigint): void {
    this.#queue.set(name, revision);
    this.#wake.set();
  }

  /** The store is another: what it shows may be to be handed over again, at the same revision. */
  forget(): void {
    this.#settled.clear();
  }

  /** Units for which the plan has nothing to do: queued, or handed over at the revision that the mirror still shows. */
  *busy(wanted: ReadonlyMap<UnitName, Wanted>): Iterable<UnitName> {
    yield* this.#queue.keys();
    for (const [name, revision] of this.#settled) {
      const now = wanted.get(name);
      if (now?.kind === 'release' && now.assigned === revision) yield name;
      else this.#settled.delete(name);
    }
  }

  async #leaving(signal: AbortSignal): Promise<string | undefined> {
    if (this.#announced === undefined) return undefined;
    const value = await this.#announced(signal);
    if (value === undefined)
      throw new FleetError('REGISTRY_BUSY', 'this machine is not registered', {
        hint: 'It is tried again.',
      });
    return value;
  }

  /** Hands over until aborted. */
  async run(signal: AbortSignal): Promise<never> {
    const { report, clock, log, done } = this.#deps;
    if (!this.isIdle) this.#wake.set(); // what a run before this one was ended in
    for (;;) {
      await this.#wake.changed(signal);
      const items = [...this.#queue].map(([name, revision]) => ({ name, revision }));
      if (items.length === 0) continue;
      try {
        // One whose compare is lost was handed over before, or has changed: either way the mirror will tell.
        const leaving = await this.#leaving(signal);
        await report.handOver(items, leaving, signal);
        for (const { name, revision } of items) {
          if (this.#queue.get(name) === revision) this.#queue.delete(name);
          this.#settled.set(name, revision);
        }
        done();
      } catch (error) {
        signal.throwIfAborted();
        if (!isFleetError(error)) throw error;
        log.debug({ code: error.code, err: error.message }, 'keys were not handed over, retrying');
        await clock.sleep(AGAIN_MS, signal);
        this.#wake.set();
      }
    }
  }
}
