// A store whose transactions fail now and then: before they are sent, or after, so that nobody knows whether they were committed.
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

/** What becomes of one transaction. */
export type Fate = 'done' | 'refused' | 'lost-request' | 'lost-answer';

/** Asks `fate` for each transaction that writes; the rest goes to `kv` as it is. */
export class LossyKv implements Kv {
  readonly #kv: Kv;
  readonly #fate: () => Fate;

  constructor(kv: Kv, fate: () => Fate) {
    this.#kv = kv;
    this.#fate = fate;
  }

  get reversions(): number {
    return this.#kv.reversions;
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    const fate = txn.then.some(({ kind }) => kind !== 'get') ? this.#fate() : 'done';
    if (fate === 'refused') throw unavailable(false);
    if (fate === 'lost-request') throw unavailable(true);
    const result = await this.#kv.txn(txn, signal);
    if (fate === 'lost-answer') throw unavailable(true);
    return result;
  }

  range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    return this.#kv.range(prefix, options, signal);
  }
  count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    return this.#kv.count(prefix, signal);
  }
  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return this.#kv.watch(prefix, from, signal);
  }
  grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    return this.#kv.grantLease(ttlSec, signal);
  }
  renewLease(id: LeaseId, signal: AbortSignal): Promise<Renewal> {
    return this.#kv.renewLease(id, signal);
  }
  leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    return this.#kv.leaseRemaining(id, signal);
  }
  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    return this.#kv.revokeLease(id, signal);
  }
  compact(revision: Revision, signal: AbortSignal): Promise<void> {
    return this.#kv.compact(revision, signal);
  }
  close(): Promise<void> {
    return this.#kv.close();
  }
}

function unavailable(ambiguous: boolean): FleetError {
  return new FleetError('STORE_UNAVAILABLE', 'the connection broke', { details: { ambiguous } });
}
