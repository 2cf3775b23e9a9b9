// The embedded store: etcd's semantics in this process. With a journal it is durable; without, it is memory only.
// Invariant: nothing is answered, shown to a reader or told to a watcher before the journal has it.
import { FleetError, isFleetError } from '../../model/errors.ts';
import { HISTORY_REVISIONS, RANGE_PAGE_KEYS } from '../../model/limits.ts';
import { withChildSignal } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Wake } from '../../runtime/wake.ts';
import { checkTxn } from '../check-txn.ts';
import type {
  CountResult,
  KeyValue,
  Kv,
  LeaseId,
  RangeOptions,
  RangeResult,
  Renewal,
  Revision,
  Txn,
  TxnResult,
  WatchBatch,
} from '../kv.ts';
import { Slices } from '../slices.ts';
import type { Change, Journal } from './journal.ts';
import { LeaseTable } from './lease-table.ts';
import type { Write } from './mvcc.ts';
import { Mvcc, leaseGone } from './mvcc.ts';
import { Watchers } from './watchers.ts';

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly journal?: Journal;
  /** How many revisions are kept. */
  readonly historyRevisions?: number;
}

/** revisions; how many are forgotten at a time: at most so many txns of keys. */
const COMPACTION_STEP = 32;

/** The store. All of a process's parts share one. */
export class MemoryStore implements Kv {
  readonly reversions = 0;
  readonly #clock: Clock;
  readonly #journal: Journal | undefined;
  readonly #historyRevisions: number;
  readonly #watchers = new Watchers();
  readonly #stop = new AbortController();
  readonly #leaseGranted = new Wake();
  readonly #expiry: Promise<void>;
  #mvcc = new Mvcc();
  #leases = new LeaseTable();
  #lastLease: number;
  /** Up to here all is durable. */
  #visible = 0;
  /** Counts how often it has begun anew: a failure of an earlier life says nothing about this one. */
  #epoch = 0;
  /** Changes on their way to the journal. */
  #pending = 0;
  /** The expiry sleeps until then. */
  #nextExpiry = Infinity;
  /** What went wrong for good: a journal that failed and could not be read again, a bug, or close(). */
  #failure: Error | undefined;

  constructor({ clock, journal, historyRevisions = HISTORY_REVISIONS }: MemoryStoreOptions) {
    this.#clock = clock;
    this.#journal = journal;
    this.#historyRevisions = historyRevisions;
    // Ids of an earlier life must not come again: a machine may still ask for its old lease.
    this.#lastLease = Math.floor(clock.wallNow()) * 1000;
    this.#load();
    this.#expiry = this.#expire(this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#fail(error);
    });
  }

  /** Keys kept, the deleted ones whose history is kept among them. */
  get size(): number {
    return this.#mvcc.size;
  }

  /** Watches that run. */
  get watches(): number {
    return this.#watchers.size;
  }

  async count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    const { kvs, revision } = await this.range(prefix, { keysOnly: true }, signal);
    return { count: kvs.length, revision };
  }

  async range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    this.#enter(signal);
    const revision =
      options.revision === undefined ? this.#visible : this.#existing(options.revision);
    const limit = options.limit ?? Infinity;
    const kvs: KeyValue[] = [];
    let { after } = options;
    const slices = new Slices(this.#clock, signal);
    for (;;) {
      this.#refuseCompacted(revision);
      const room = Math.min(limit - kvs.length, RANGE_PAGE_KEYS);
      const page = this.#mvcc.page(prefix, revision, {
        ...options,
        ...(after === undefined ? {} : { after }),
        limit: room,
      });
      for (const kv of page.kvs) kvs.push(kv);
      if (!page.more || kvs.length >= limit)
        return { revision: BigInt(revision), kvs, more: page.more };
      after = page.kvs.at(-1)?.key ?? after;
      await slices.breathe();
      this.#enter(signal);
    }
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    this.#enter(signal);
    checkTxn(txn);
    const { succeeded, gets, writes } = this.#mvcc.run(txn, (id) => this.#leases.has(id));
    for (const { key, lease } of writes) this.#leases.attach(key, lease);
    const revision = BigInt(this.#mvcc.revision);
    await this.#commit({ writes }, signal);
    return { succeeded, revision, gets };
  }

  async *watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    if (signal.aborted) return;
    this.#enter(signal);
    const first = Number(from);
    if (first > this.#visible + 1) throw this.#reverted(from);
    const watcher = this.#watchers.add(prefix, first);
    try {
      for (;;) {
        while (!watcher.idle && watcher.cursor <= this.#visible) {
          if (signal.aborted) return;
          if (watcher.end !== undefined) throw watcher.end;
          this.#refuseCompacted(watcher.cursor);
          const batch = batchOf(this.#mvcc.writesOf(watcher.cursor), prefix);
          watcher.cursor += 1;
          if (batch !== undefined) yield batch;
        }
        watcher.idle = true;
        if (watcher.end !== undefined) throw watcher.end;
        if (!(await woken(watcher.wake, signal))) return;
      }
    } finally {
      this.#watchers.remove(watcher);
    }
  }

  async grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    this.#enter(signal);
    this.#lastLease += 1;
    const id = String(this.#lastLease);
    const ttl = Math.max(1, Math.ceil(ttlSec));
    this.#addLease(id, ttl);
    await this.#commit({ granted: { id, ttlSec: ttl } }, signal);
    return id;
  }

  async renewLease(id: LeaseId, signal: AbortSignal): Promise<Renewal> {
    this.#enter(signal);
    const left = this.#leases.renew(id, this.#clock.now());
    if (left === undefined) throw leaseGone(id);
    return { leftSec: left, revision: BigInt(this.#visible) };
  }

  async leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    this.#enter(signal);
    const leftMs = this.#leases.remaining(id, this.#clock.now());
    if (leftMs === undefined) throw leaseGone(id);
    return Math.floor(leftMs / 1000);
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    this.#enter(signal);
    await this.#endLease(id, signal);
  }

  async compact(revision: Revision, signal: AbortSignal): Promise<void> {
    this.#enter(signal);
    const at = this.#existing(revision);
    if (at > this.#mvcc.compacted) await this.#commit(this.#compaction(at), signal);
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(closedError());
    await this.#expiry;
    try {
      await this.#journal?.close();
    } finally {
      this.#failure ??= closedError();
      this.#watchers.endAll(
        new FleetError('STORE_WATCH_LOST', 'the watch ended: the embedded store was closed'),
      );
    }
  }

  #enter(signal: AbortSignal): void {
    signal.throwIfAborted();
    this.#stop.signal.throwIfAborted();
    if (this.#failure === undefined) return;
    if (!isFleetError(this.#failure, 'STORE_UNAVAILABLE')) throw this.#failure;
    // The journal failed and could not be read; perhaps now it can.
    this.#load();
    this.#failure = undefined;
  }

  /** Begins with what the journal has. */
  #load(): void {
    const state = this.#journal?.load();
    this.#mvcc = new Mvcc(state);
    this.#leases = new LeaseTable();
    this.#lastLease = Math.max(this.#lastLease, state?.lastLease ?? 0);
    for (const [id, ttlSec] of state?.leases ?? []) this.#addLease(id, ttlSec);
    if (this.#leases.nextDeadline() !== undefined)
      this.#mvcc.eachLatest(({ key, lease }) => this.#leases.attach(key, lease));
    this.#visible = this.#mvcc.revision;
    this.#epoch += 1;
  }

  #addLease(id: LeaseId, ttlSec: number): void {
    const now = this.#clock.now();
    this.#leases.add(id, ttlSec, now);
    if (now + ttlSec * 1000 < this.#nextExpiry) this.#leaseGranted.set();
  }

  async #endLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    const keys = this.#leases.remove(id);
    if (keys === undefined) return;
    await this.#commit({ writes: this.#mvcc.deleteAll(keys), ended: id }, signal);
  }

  /** Ends when the change is durable, and shown to all. A change of nothing waits for what it has read. */
  async #commit(change: Change, signal: AbortSignal): Promise<void> {
    const revision = this.#mvcc.revision;
    const whole = this.#withCompaction(change);
    if (this.#journal === undefined) {
      this.#show(revision);
      return;
    }
    if (this.#pending === 0 && isNothing(whole)) return;
    const epoch = this.#epoch;
    this.#pending += 1;
    try {
      await this.#journal.append(whole);
    } catch (error) {
      throw this.#journalFailed(error, epoch);
    } finally {
      this.#pending -= 1;
    }
    this.#show(revision);
    signal.throwIfAborted();
  }

  /** Adds what keeps the history short, a few revisions at a time: nobody waits for it. */
  #withCompaction(change: Change): Change {
    const oldest = this.#visible - this.#historyRevisions;
    if (change.compaction !== undefined) return change;
    if (this.#mvcc.compacted + COMPACTION_STEP > oldest) return change;
    return { ...change, ...this.#compaction(oldest) };
  }

  #compaction(revision: number): Change {
    return { compaction: { revision, dropped: this.#mvcc.compact(revision) } };
  }

  #show(revision: number): void {
    while (this.#visible < revision) {
      this.#visible += 1;
      this.#watchers.tell(this.#mvcc.writesOf(this.#visible));
    }
  }

  /** Memory is ahead of the disk now: every watch ends, and the next call begins anew with what the disk has. */
  #journalFailed(error: unknown, epoch: number): FleetError {
    const unavailable = new FleetError('STORE_UNAVAILABLE', 'the embedded store could not write', {
      cause: error,
      hint: 'Look for a full or failing disk.',
    });
    if (epoch === this.#epoch && this.#failure === undefined) this.#fail(unavailable);
    return unavailable;
  }

  #fail(error: unknown): void {
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#watchers.endAll(
      new FleetError('STORE_WATCH_LOST', 'the watch ended: the embedded store failed', {
        cause: error,
      }),
    );
  }

  #existing(revision: Revision): number {
    if (revision > BigInt(this.#visible)) throw this.#reverted(revision);
    return Number(revision);
  }

  #reverted(revision: Revision): FleetError {
    return new FleetError(
      'STORE_REVERTED',
      `the store is at revision '${this.#visible}', before '${revision}'`,
      { hint: 'It may have been restored from a backup: list again.' },
    );
  }

  #refuseCompacted(revision: number): void {
    if (revision >= this.#mvcc.compacted) return;
    throw new FleetError(
      'STORE_COMPACTED',
      `the revision '${revision}' is gone: history begins at '${this.#mvcc.compacted}'`,
      { hint: 'List again.' },
    );
  }

  /** Ends leases when their time is up, until the store is closed. */
  async #expire(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      this.#nextExpiry = this.#leases.nextDeadline() ?? Infinity;
      if (this.#nextExpiry > now) {
        await this.#waitForExpiry(this.#nextExpiry - now, signal);
        continue;
      }
      for (const id of this.#leases.due(now)) await this.#expireLease(id, signal);
    }
  }

  async #expireLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    try {
      await this.#endLease(id, signal);
    } catch (error) {
      // The journal failed: the lease is there again, with its whole ttl, once the store has been read again.
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
    }
  }

  async #waitForExpiry(ms: number, signal: AbortSignal): Promise<void> {
    await withChildSignal(signal, async (child) => {
      const waits = [this.#leaseGranted.changed(child)];
      if (ms !== Infinity) waits.push(this.#clock.sleep(ms, child));
      try {
        await Promise.race(waits);
      } finally {
        for (const wait of waits) wait.catch(() => undefined);
      }
    });
  }
}

function closedError(): FleetError {
  return new FleetError('STORE_UNAVAILABLE', 'the embedded store is closed');
}

function isNothing({ writes, granted, ended, compaction }: Change): boolean {
  return (
    (writes === undefined || writes.length === 0) &&
    granted === undefined &&
    ended === undefined &&
    compaction === undefined
  );
}

function batchOf(writes: readonly Write[], prefix: string): WatchBatch | undefined {
  const mine = writes.filter(({ key }) => key.startsWith(prefix));
  const [first] = mine;
  if (first === undefined) return undefined;
  const revision = BigInt(first.revision);
  return {
    revision,
    events: mine.map(({ key, kv }) =>
      kv === undefined ? { kind: 'delete', key, modRevision: revision } : { kind: 'put', kv },
    ),
  };
}

/** Says false when `signal` aborted first. */
async function woken(wake: Wake, signal: AbortSignal): Promise<boolean> {
  try {
    await wake.changed(signal);
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
