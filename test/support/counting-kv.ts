// A Kv that notes what passes through it: one for each party of a test says who asked the store for what.
// Invariant: it changes nothing of what it passes on.
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

/** One request of the store, or one event that a watch brought. */
export type Noted =
  | Readonly<{ kind: 'range'; prefix: string; keys: number }>
  /** `put` and `deleted`: keys of the branch that ran; `got` as well. */
  | Readonly<{
      kind: 'txn';
      got: readonly string[];
      put: readonly string[];
      deleted: readonly string[];
    }>
  | Readonly<{ kind: 'watch'; prefix: string }>
  | Readonly<{ kind: 'event'; prefix: string; key: string }>
  | Readonly<{ kind: 'count' | 'grant' | 'renew' | 'remaining' | 'revoke' | 'compact' }>;

/** Wraps a store; closing it leaves the store open. */
export class CountingKv implements Kv {
  readonly #kv: Kv;
  #noted: Noted[] = [];

  constructor(kv: Kv) {
    this.#kv = kv;
  }

  /** What passed since the last call. */
  take(): readonly Noted[] {
    const noted = this.#noted;
    this.#noted = [];
    return noted;
  }

  get reversions(): number {
    return this.#kv.reversions;
  }

  async range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    const result = await this.#kv.range(prefix, options, signal);
    this.#noted.push({ kind: 'range', prefix, keys: result.kvs.length });
    return result;
  }

  async count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    this.#noted.push({ kind: 'count' });
    return await this.#kv.count(prefix, signal);
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    const result = await this.#kv.txn(txn, signal);
    const branch = result.succeeded ? txn.then : (txn.else ?? []);
    const keysOf = (kind: 'get' | 'put' | 'delete'): readonly string[] =>
      branch.filter((operation) => operation.kind === kind).map(({ key }) => key);
    this.#noted.push({
      kind: 'txn',
      got: keysOf('get'),
      put: keysOf('put'),
      deleted: keysOf('delete'),
    });
    return result;
  }

  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    this.#noted.push({ kind: 'watch', prefix });
    for await (const batch of this.#kv.watch(prefix, from, signal)) {
      for (const event of batch.events)
        this.#noted.push({
          kind: 'event',
          prefix,
          key: event.kind === 'put' ? event.kv.key : event.key,
        });
      yield batch;
    }
  }

  async grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    this.#noted.push({ kind: 'grant' });
    return await this.#kv.grantLease(ttlSec, signal);
  }

  async renewLease(id: LeaseId, signal: AbortSignal): Promise<Renewal> {
    this.#noted.push({ kind: 'renew' });
    return await this.#kv.renewLease(id, signal);
  }

  async leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    this.#noted.push({ kind: 'remaining' });
    return await this.#kv.leaseRemaining(id, signal);
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    this.#noted.push({ kind: 'revoke' });
    await this.#kv.revokeLease(id, signal);
  }

  async compact(revision: Revision, signal: AbortSignal): Promise<void> {
    this.#noted.push({ kind: 'compact' });
    await this.#kv.compact(revision, signal);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Those that write. */
export function writesIn(noted: readonly Noted[]): readonly (Noted & { kind: 'txn' })[] {
  return noted.filter(
    (one): one is Noted & { kind: 'txn' } =>
      one.kind === 'txn' && one.put.length + one.deleted.length > 0,
  );
}

/** Of one kind. */
export function notedOf<K extends Noted['kind']>(
  noted: readonly Noted[],
  kind: K,
): readonly (Noted & { kind: K })[] {
  return noted.filter((one): one is Noted & { kind: K } => one.kind === kind);
}
