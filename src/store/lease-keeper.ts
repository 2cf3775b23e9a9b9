// Keeps one lease alive, and knows by our own clock for how long it is certain: etcd's clients tell too late, or never, that a lease is lost.
// Invariant: the deadline counts from when a renewal was sent, never from its answer, and on in suspend: it lies before the store's own.
import type { FleetError } from '../model/errors.ts';
import { isFleetError } from '../model/errors.ts';
import { withChildSignal } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { Wake } from '../runtime/wake.ts';
import type { Kv, LeaseId, Renewal } from './kv.ts';

export interface LeaseKeeperOptions {
  readonly kv: Kv;
  readonly clock: Clock;
  readonly ttlSec: number;
  /** Between 0 and 1: spreads the retries of many keepers. */
  readonly random: () => number;
  readonly log?: (event: LeaseEvent) => void;
  /** Called at each confirmed renewal. */
  readonly confirmed?: (renewal: Renewal) => void;
}

/** What a keeper has to say to a log or a counter. */
export type LeaseEvent =
  | Readonly<{ kind: 'unanswered'; error: FleetError | undefined; leftMs: number }>
  | Readonly<{ kind: 'overdue' | 'gone' | 'answered again'; lease: LeaseId }>;

/**
 * `held`: certainly ours until the deadline. `overdue`: the deadline has passed; the store may still have it, and renewing goes on.
 * `gone`: the store does not know it any more. `none`: not acquired yet.
 */
export type LeaseState = 'none' | 'held' | 'overdue' | 'gone';

/** One lease at a time: `acquire`, then `run` until it ends, then `acquire` again. */
export class LeaseKeeper {
  /** Set when the lease is overdue or gone. */
  readonly lost = new Wake();
  readonly #options: LeaseKeeperOptions;
  readonly #confirmed = new Wake();
  #id: LeaseId | undefined;
  #gone = false;
  /** On the clock that counts suspend, as the deadline. */
  #sentAt = -Infinity;
  #leftMs = 0;
  #answeredSince = Infinity;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  get id(): LeaseId | undefined {
    return this.#id;
  }

  get state(): LeaseState {
    if (this.#gone) return 'gone';
    if (this.#id === undefined) return 'none';
    return this.#options.clock.bootMs() < this.deadline() ? 'held' : 'overdue';
  }

  /** `Clock.bootMs()` until which the lease is certain: when the last confirmed renewal was sent, and the ttl. */
  deadline(): number {
    return this.#sentAt + this.#leftMs;
  }

  /** Clock time in ms since when renewals were answered without a gap of over half a ttl; now, while there is one. */
  answeredSince(): number {
    const { clock } = this.#options;
    const isGap = clock.bootMs() - this.#sentAt > this.#gapMaxMs();
    return isGap ? clock.now() : this.#answeredSince;
  }

  /** Takes up the lease `resume` if the store still has it for a whole ttl, else a new one; throws what the store throws. */
  async acquire(signal: AbortSignal, resume?: LeaseId): Promise<LeaseId> {
    const { kv, clock, ttlSec } = this.#options;
    this.#gone = false;
    if (resume !== undefined) {
      const sentAt = clock.bootMs();
      const renewal = await renewOrUndefined(kv, resume, signal);
      // One with a shorter ttl was granted under another configuration: its keys move to a new one.
      if (renewal !== undefined && renewal.leftSec >= ttlSec) return this.#begin(resume, sentAt);
    }
    const sentAt = clock.bootMs();
    return this.#begin(await kv.grantLease(ttlSec, signal), sentAt);
  }

  /** Renews until the store says that the lease is gone (then it ends), or until aborted (then it rejects). */
  async run(signal: AbortSignal): Promise<void> {
    const id = this.#id;
    if (id === undefined) throw new Error('run() before acquire()');
    await withChildSignal(signal, async (scope) => {
      const watchdog = this.#watchDeadline(id, scope).catch((error: unknown) => {
        if (!scope.aborted) throw error;
      });
      await Promise.race([this.#renewUntilGone(id, scope), watchdog]);
    });
    signal.throwIfAborted();
  }

  #begin(id: LeaseId, sentAt: number): LeaseId {
    const { clock } = this.#options;
    this.#id = id;
    this.#answeredSince = clock.now() - (clock.bootMs() - sentAt);
    this.#sentAt = sentAt;
    this.#leftMs = this.#options.ttlSec * 1000;
    return id;
  }

  async #renewUntilGone(id: LeaseId, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const ttlMs = this.#options.ttlSec * 1000;
    let next = this.#sentAt + ttlMs / 3;
    for (;;) {
      await clock.sleep(Math.max(0, next - clock.bootMs()), signal);
      const sentAt = clock.bootMs();
      const outcome = await this.#renew(id, signal);
      if (outcome === 'gone') {
        this.#gone = true;
        this.#leftMs = 0;
        this.#options.log?.({ kind: 'gone', lease: id });
        this.lost.set();
        return;
      }
      next = outcome === 'answered' ? sentAt + ttlMs / 3 : clock.bootMs() + this.#retryMs();
    }
  }

  /** One try, given up after a third of the ttl: a frozen store must not hold the next try back. */
  async #renew(id: LeaseId, signal: AbortSignal): Promise<'answered' | 'unanswered' | 'gone'> {
    const { kv, clock, ttlSec, log } = this.#options;
    const sentAt = clock.bootMs();
    let error: FleetError | undefined;
    try {
      const renewal = await withChildSignal(signal, async (scope) => {
        const withinMs = (ttlSec * 1000) / 3;
        const late = clock.sleep(withinMs, scope);
        const answer = kv.renewLease(id, scope, withinMs);
        try {
          return await Promise.race([answer, late]);
        } finally {
          for (const wait of [answer, late]) wait.catch(() => undefined);
        }
      });
      if (renewal !== undefined) {
        this.#confirm(id, sentAt, renewal);
        return 'answered';
      }
    } catch (thrown) {
      signal.throwIfAborted();
      if (!isFleetError(thrown)) throw thrown;
      if (isFleetError(thrown, 'STORE_LEASE_GONE')) return 'gone';
      error = thrown;
    }
    log?.({ kind: 'unanswered', error, leftMs: this.deadline() - clock.bootMs() });
    return 'unanswered';
  }

  #confirm(id: LeaseId, sentAt: number, renewal: Renewal): void {
    const wasHeld = this.state === 'held';
    const { clock } = this.#options;
    if (sentAt - this.#sentAt > this.#gapMaxMs())
      this.#answeredSince = clock.now() - (clock.bootMs() - sentAt);
    this.#sentAt = sentAt;
    this.#leftMs = Math.min(renewal.leftSec, this.#options.ttlSec) * 1000;
    this.#confirmed.set();
    this.#options.confirmed?.(renewal);
    if (!wasHeld) this.#options.log?.({ kind: 'answered again', lease: id });
  }

  /** Tells when the deadline passes, also while a renewal hangs; until aborted. */
  async #watchDeadline(id: LeaseId, signal: AbortSignal): Promise<never> {
    const { clock } = this.#options;
    for (;;) {
      const left = this.deadline() - clock.bootMs();
      if (left > 0) {
        await clock.sleep(left, signal);
        continue;
      }
      this.#options.log?.({ kind: 'overdue', lease: id });
      this.lost.set();
      while (this.deadline() <= clock.bootMs()) await this.#confirmed.changed(signal);
    }
  }

  #gapMaxMs(): number {
    return (this.#options.ttlSec * 1000) / 2;
  }

  /** A tenth of the ttl, at most a second. */
  #retryMs(): number {
    const longest = Math.min(1000, this.#options.ttlSec * 100);
    return longest * (0.5 + this.#options.random() / 2);
  }
}

async function renewOrUndefined(
  kv: Kv,
  id: LeaseId,
  signal: AbortSignal,
): Promise<Renewal | undefined> {
  try {
    return await kv.renewLease(id, signal);
  } catch (error) {
    if (isFleetError(error, 'STORE_LEASE_GONE')) return undefined;
    throw error;
  }
}
