// A Kv that breaks when a test says so: calls fail or hang, watches are cut or told twice, the data goes back to an older store.
// Invariant: what it lets through is what the store behind it said.
import { FleetError } from '../../src/model/errors.ts';
import type {
  CountResult,
  Kv,
  LeaseId,
  RangeOptions,
  RangeResult,
  Renewal,
  Revision,
  Txn,
  TxnResult,
  WatchBatch,
} from '../../src/store/kv.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import type { Clock } from '../../src/runtime/clock.ts';

/** Faults that are on; `undefined` or false is none. */
export interface Faults {
  /** Every call fails with this. */
  fails: FleetError | undefined;
  /** Every call but watch waits so long before it is passed on, in ms. Infinity: until aborted. */
  delayMs: number;
  /** A watch tells each batch twice. */
  duplicates: boolean;
  /** A range fails when it has answered so many pages since this was set. */
  rangeFailsAfterPages: number | undefined;
}

/** Wraps a store; `faults` may be changed at any time. */
export class FaultyKv implements Kv {
  readonly faults: Faults = {
    fails: undefined,
    delayMs: 0,
    duplicates: false,
    rangeFailsAfterPages: undefined,
  };
  /** Calls that were made, by name: for "no more than so many", never for "exactly this". */
  readonly calls = { range: 0, count: 0, txn: 0, watch: 0, renewLease: 0 };
  #kv: Kv;
  readonly #clock: Clock;
  #cut = new AbortController();

  constructor(kv: Kv, clock: Clock) {
    this.#kv = kv;
    this.#clock = clock;
  }

  /** Ends every watch that runs with `error`. */
  cutWatches(error = new FleetError('STORE_WATCH_LOST', 'the stream was cut')): void {
    this.#cut.abort(error);
    this.#cut = new AbortController();
  }

  /** From now on another store answers: a backup was restored. Watches stay on the old one until they are cut. */
  revertTo(kv: Kv): void {
    this.#kv = kv;
  }

  /** What the store says of itself; a test may change it. */
  reversions = 0;

  async range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    this.calls.range += 1;
    await this.#pass(signal);
    if (this.faults.rangeFailsAfterPages === 0) throw unavailable();
    if (this.faults.rangeFailsAfterPages !== undefined) this.faults.rangeFailsAfterPages -= 1;
    return await this.#kv.range(prefix, options, signal);
  }

  async count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    this.calls.count += 1;
    await this.#pass(signal);
    return await this.#kv.count(prefix, signal);
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    this.calls.txn += 1;
    await this.#pass(signal);
    return await this.#kv.txn(txn, signal);
  }

  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    this.calls.watch += 1;
    if (this.faults.fails !== undefined) throw this.faults.fails;
    const cut = this.#cut.signal;
    const scope = new AbortController();
    const end = (): void => scope.abort();
    for (const each of [signal, cut]) each.addEventListener('abort', end, { once: true });
    try {
      for await (const batch of this.#kv.watch(prefix, from, scope.signal)) {
        yield batch;
        if (this.faults.duplicates) yield batch;
      }
      if (!signal.aborted && cut.aborted) throw cut.reason as FleetError;
    } finally {
      for (const each of [signal, cut]) each.removeEventListener('abort', end);
    }
  }

  async grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    await this.#pass(signal);
    return await this.#kv.grantLease(ttlSec, signal);
  }

  async renewLease(id: LeaseId, signal: AbortSignal): Promise<Renewal> {
    this.calls.renewLease += 1;
    await this.#pass(signal);
    return await this.#kv.renewLease(id, signal);
  }

  async leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    await this.#pass(signal);
    return await this.#kv.leaseRemaining(id, signal);
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    await this.#pass(signal);
    await this.#kv.revokeLease(id, signal);
  }

  async compact(revision: Revision, signal: AbortSignal): Promise<void> {
    await this.#pass(signal);
    await this.#kv.compact(revision, signal);
  }

  async close(): Promise<void> {
    this.cutWatches();
    await this.#kv.close();
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { delayMs } = this.faults;
    if (delayMs === Infinity) await withChildSignal(signal, untilAborted);
    else if (delayMs > 0) await this.#clock.sleep(delayMs, signal);
    signal.throwIfAborted();
    if (this.faults.fails !== undefined) throw this.faults.fails;
  }
}

/** What an adapter throws when the store does not answer. */
export function unavailable(): FleetError {
  return new FleetError('STORE_UNAVAILABLE', 'the store does not answer');
}

function untilAborted(signal: AbortSignal): Promise<never> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
