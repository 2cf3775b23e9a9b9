// The store of the simulation: the embedded store over a journal in memory, so that it can restart, go back to a backup, and be watched.
// Invariant: every commit is told to `watcher` in order, at the moment it happens, with who made it.
import type { Change, Journal, JournalState } from '../../src/store/embedded/journal.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import type { Write } from '../../src/store/embedded/mvcc.ts';
import type { Kv, LeaseId } from '../../src/store/kv.ts';
import type { SimClock } from '../support/sim-clock.ts';
import type { Process } from './process.ts';

/** Which part of which fleetd, or the store itself: a lease ended. */
export type Role = 'engine' | 'agent' | 'api';
export interface Actor {
  readonly role: Role;
  readonly process: Process;
  /** For the API: the operation that asked. */
  readonly operation?: object;
}

export interface StoreWatcher {
  committed(writes: readonly Write[], revision: number, actor: Actor | undefined): void;
  /** All that is there now: the store was restored from a backup. */
  restored(current: ReadonlyMap<string, Write>): void;
}

const never = new AbortController().signal;

/** The store and its misfortunes. */
export class SimStore {
  readonly #clock: SimClock;
  readonly #watcher: StoreWatcher;
  /** All changes of this history, in order, with the time of each. */
  #log: { readonly atMs: number; readonly change: Change }[] = [];
  #kv: MemoryStore;
  #actor: Actor | undefined;
  #cluster = 1;
  #term = 2n;
  #revision = 1;
  readonly #leases = new Set<LeaseId>();
  readonly #leaseOfKey = new Map<string, LeaseId>();

  constructor(clock: SimClock, watcher: StoreWatcher) {
    this.#clock = clock;
    this.#watcher = watcher;
    this.#kv = this.#open();
  }

  get kv(): Kv {
    return this.#kv;
  }

  /** As in the header of an answer of etcd's. */
  get header(): { cluster_id: string; member_id: string; revision: string; raft_term: string } {
    return {
      cluster_id: String(this.#cluster),
      member_id: '1',
      revision: String(this.#revision),
      raft_term: String(this.#term),
    };
  }

  get revision(): number {
    return this.#revision;
  }

  /** Calls the store for `actor`: what it commits at once is known to be of that one. */
  as<T>(actor: Actor, call: (kv: Kv) => Promise<T>): Promise<T> {
    this.#actor = actor;
    try {
      return call(this.#kv);
    } finally {
      this.#actor = undefined;
    }
  }

  /** Another member leads: every lease has its whole ttl again (etcd's lessor promotes so), and watches may break. */
  async reelect(): Promise<void> {
    this.#term += 1n;
    for (const lease of this.#leases) {
      await this.#kv.renewLease(lease, never).catch(() => this.#leases.delete(lease));
    }
  }

  /** All that is in memory is read again. */
  async restart(): Promise<void> {
    this.#term += 1n;
    const old = this.#kv;
    this.#kv = this.#open();
    await old.close();
  }

  /** What it was at that clock time in ms; a new cluster, as `etcdctl snapshot restore` makes it. */
  async restore(atMs: number): Promise<void> {
    const first = this.#log.findIndex((entry) => entry.atMs > atMs);
    if (first >= 0) this.#log = this.#log.slice(0, first);
    this.#cluster += 1;
    this.#term = 2n;
    const old = this.#kv;
    this.#kv = this.#open();
    const state = stateOf(this.#log.map(({ change }) => change));
    const current = new Map<string, Write>();
    for (const write of state.writes) {
      if (write.kv === undefined) current.delete(write.key);
      else current.set(write.key, write);
    }
    this.#watcher.restored(current); // before anybody can write to it
    await old.close();
  }

  /** History up to now is gone. */
  async compact(): Promise<void> {
    await this.#kv.compact(BigInt(this.#revision), never);
  }

  /** The lease of this key is gone and its keys with it, whoever renews it. */
  async loseLease(key: string): Promise<void> {
    const id = this.#leaseOfKey.get(key);
    if (id !== undefined) await this.#kv.revokeLease(id, never);
  }

  #open(): MemoryStore {
    const state = stateOf(this.#log.map(({ change }) => change));
    this.#revision = Math.max(1, state.compacted, [...state.writes].at(-1)?.revision ?? 1);
    this.#leases.clear();
    for (const lease of state.leases.keys()) this.#leases.add(lease);
    const journal: Journal = {
      load: () => state,
      append: (change) => {
        this.#note(change);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    return new MemoryStore({ clock: this.#clock, journal });
  }

  #note(change: Change): void {
    this.#log.push({ atMs: this.#clock.now(), change });
    if (change.granted !== undefined) this.#leases.add(change.granted.id);
    if (change.ended !== undefined) this.#leases.delete(change.ended);
    const { writes = [] } = change;
    const last = writes.at(-1);
    if (last === undefined) return;
    this.#revision = last.revision;
    for (const { key, lease } of writes) if (lease !== undefined) this.#leaseOfKey.set(key, lease);
    this.#watcher.committed(writes, last.revision, this.#actor);
  }
}

/** What a store begins anew with, after these changes. */
function stateOf(changes: readonly Change[]): JournalState & { readonly writes: readonly Write[] } {
  const dropped = new Set<number>();
  const leases = new Map<LeaseId, number>();
  const all: Write[] = [];
  let compacted = 0;
  let lastLease = 0;
  for (const { writes = [], granted, ended, compaction } of changes) {
    all.push(...writes);
    if (granted !== undefined) {
      leases.set(granted.id, granted.ttlSec);
      lastLease = Number(granted.id);
    }
    if (ended !== undefined) leases.delete(ended);
    if (compaction === undefined) continue;
    compacted = compaction.revision;
    for (const { sequence } of compaction.dropped) dropped.add(sequence);
  }
  return {
    writes: all.filter(({ sequence }) => !dropped.has(sequence)),
    compacted,
    leases,
    lastLease,
  };
}
