// The versions of every key, and the history by revision: what etcd calls mvcc. Synchronous and pure: no clock, no I/O.
// Invariant: nothing at or above `compacted` is forgotten that a read or a watch at such a revision needs.
import { FleetError } from '../../model/errors.ts';
import type { Compare, KeyValue, LeaseId, Operation, RangeOptions, Txn } from '../kv.ts';
import { byteOrder } from './byte-order.ts';
import { OrderedMap } from '../../collections/ordered-map.ts';

/** One key at one revision. */
export interface Write {
  /** Counts all writes ever: their order within a revision, and the row's id on disk. */
  readonly sequence: number;
  readonly revision: number;
  readonly key: string;
  /** undefined: the key was deleted. */
  readonly kv: KeyValue | undefined;
  readonly lease: LeaseId | undefined;
}

/** A write in memory, with all versions of its key, oldest first, so that compaction need not look them up. */
interface Version extends Write {
  readonly all: Version[];
}

/** What a transaction did. */
export interface Outcome {
  readonly succeeded: boolean;
  readonly gets: readonly (KeyValue | undefined)[];
  /** Empty when it changed nothing; then the revision did not grow. */
  readonly writes: readonly Write[];
}

/** All that is kept, in order of sequence: how a store begins anew. */
export interface Snapshot {
  readonly writes: Iterable<Write>;
  readonly compacted: number;
}

/** The revision of a store that was never written, as in etcd. */
const FIRST_REVISION = 1;

/** The store's memory: apply, read, forget. */
export class Mvcc {
  #revision = FIRST_REVISION;
  #compacted = 0;
  #sequence = 0;
  /** By byteOrder of the key: its versions, oldest first, never empty. A deleted key stays until its end is compacted. */
  readonly #keys = new OrderedMap<Version[]>();
  /** `#history[n]` holds the writes of revision `#historyFrom + n`. */
  #history: Version[][] = [];
  #historyFrom = FIRST_REVISION + 1;

  constructor(snapshot?: Snapshot) {
    if (snapshot === undefined) return;
    this.#compacted = snapshot.compacted;
    this.#revision = Math.max(FIRST_REVISION, snapshot.compacted);
    this.#historyFrom = Math.max(FIRST_REVISION + 1, snapshot.compacted);
    for (const write of snapshot.writes) this.#restore(write);
  }

  get revision(): number {
    return this.#revision;
  }

  /** Reads and watches below it are refused. */
  get compacted(): number {
    return this.#compacted;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The key's last write, unless that deleted it. */
  latest(key: string): Write | undefined {
    const last = this.#keys.get(byteOrder(key))?.at(-1);
    return last?.kv === undefined ? undefined : last;
  }

  /** Visits the last write of every key that exists. */
  eachLatest(visit: (write: Write) => void): void {
    this.#keys.walk('', (_, versions) => {
      const last = versions.at(-1);
      if (last?.kv !== undefined) visit(last);
      return true;
    });
  }

  /** The writes of one revision, in order; empty for those that are gone or not there yet. */
  writesOf(revision: number): readonly Write[] {
    return this.#history[revision - this.#historyFrom] ?? [];
  }

  /** One page at `revision`, which the caller has checked. */
  page(
    prefix: string,
    revision: number,
    { after, limit = Infinity, keysOnly = false }: RangeOptions,
  ): { kvs: KeyValue[]; more: boolean } {
    const kvs: KeyValue[] = [];
    let more = false;
    const order = byteOrder(prefix);
    const behind = after === undefined ? undefined : byteOrder(after);
    // The least text above `behind` is that with a zero behind it.
    const start = behind === undefined || behind < order ? order : `${behind}\0`;
    this.#keys.walk(start, (key, versions) => {
      if (!key.startsWith(order)) return false;
      const kv = versionAt(versions, revision)?.kv;
      if (kv === undefined) return true;
      if (kvs.length >= limit) {
        more = true;
        return false;
      }
      kvs.push(keysOnly ? { ...kv, value: '' } : kv);
      return true;
    });
    return { kvs, more };
  }

  /** Runs a transaction that checkTxn has let pass; throws STORE_LEASE_GONE before it has changed anything. */
  run(txn: Txn, leaseExists: (id: LeaseId) => boolean): Outcome {
    const succeeded = (txn.compares ?? []).every((compare) => this.#holds(compare));
    const branch = succeeded ? txn.then : (txn.else ?? []);
    for (const operation of branch) {
      if (operation.kind !== 'put' || operation.lease === undefined) continue;
      if (!leaseExists(operation.lease)) throw leaseGone(operation.lease);
    }
    const revision = this.#revision + 1;
    const writes: Version[] = [];
    const gets = branch.map((operation) => this.#execute(operation, revision, writes));
    this.#finish(writes);
    return { succeeded, gets, writes };
  }

  /** Deletes `keys` in one revision, in order of their bytes. */
  deleteAll(keys: Iterable<string>): readonly Write[] {
    const revision = this.#revision + 1;
    const writes: Version[] = [];
    const ordered = [...keys].map((key) => ({ key, order: byteOrder(key) }));
    ordered.sort((a, b) => (a.order < b.order ? -1 : 1));
    for (const { key } of ordered) this.#execute({ kind: 'delete', key }, revision, writes);
    this.#finish(writes);
    return writes;
  }

  /**
   * Forgets what only reads and watches below `revision` need; answers the writes that are gone for good. The end of a key stays for the
   * revision itself, so that a watch from there misses nothing (etcd issue 18089).
   */
  compact(revision: number): readonly Write[] {
    const dropped: Write[] = [];
    for (let at = this.#historyFrom; at <= revision; at += 1) {
      for (const { all } of this.#history[at - this.#historyFrom] ?? [])
        this.#compactKey(all, revision, dropped);
    }
    this.#history.splice(0, Math.max(0, revision - this.#historyFrom));
    this.#historyFrom = Math.max(this.#historyFrom, revision);
    this.#compacted = revision;
    return dropped;
  }

  #holds(compare: Compare): boolean {
    const kv = this.latest(compare.key)?.kv;
    switch (compare.target) {
      case 'mod':
        return (kv?.modRevision ?? 0n) === compare.equals;
      case 'create':
        return (kv?.createRevision ?? 0n) === compare.equals;
      case 'value':
        return kv !== undefined && kv.value === compare.equals;
    }
  }

  #execute(operation: Operation, revision: number, writes: Version[]): KeyValue | undefined {
    const { key } = operation;
    if (operation.kind === 'get') return this.latest(key)?.kv;
    const order = byteOrder(key);
    const known = this.#keys.get(order);
    const all = known ?? [];
    const before = all.at(-1)?.kv;
    if (operation.kind === 'delete' && before === undefined) return undefined;
    this.#sequence += 1;
    const version: Version = {
      sequence: this.#sequence,
      revision,
      key,
      kv: operation.kind === 'put' ? record(operation, revision, before) : undefined,
      lease: operation.kind === 'put' ? operation.lease : undefined,
      all,
    };
    all.push(version);
    if (known === undefined) this.#keys.set(order, all);
    writes.push(version);
    return undefined;
  }

  #finish(writes: Version[]): void {
    if (writes.length === 0) return;
    this.#revision += 1;
    this.#history.push(writes);
  }

  #restore(write: Write): void {
    this.#sequence = write.sequence;
    this.#revision = Math.max(this.#revision, write.revision);
    const order = byteOrder(write.key);
    const known = this.#keys.get(order);
    const all = known ?? [];
    const version: Version = { ...write, all };
    all.push(version);
    if (known === undefined) this.#keys.set(order, all);
    const at = write.revision - this.#historyFrom;
    if (at < 0) return;
    const batch = this.#history[at];
    if (batch === undefined) this.#history[at] = [version];
    else batch.push(version);
  }

  #compactKey(all: Version[], revision: number, dropped: Write[]): void {
    const [first] = all;
    if (first === undefined || first.revision > revision) return;
    let keep = 0;
    for (let next = all[1]; next !== undefined && next.revision <= revision; next = all[keep + 1])
      keep += 1;
    const base = all[keep] ?? first;
    if (base.kv === undefined && base.revision < revision) keep += 1;
    if (keep > 0) dropped.push(...all.splice(0, keep));
    if (all.length === 0) this.#keys.delete(byteOrder(base.key));
  }
}

/** The expected failure of a call that names a lease which the store does not know. */
export function leaseGone(id: LeaseId): FleetError {
  return new FleetError('STORE_LEASE_GONE', `the store does not know the lease '${id}'`, {
    hint: 'It has ended: take a new one and write its keys again.',
    details: { lease: id },
  });
}

function record(
  { key, value, lease }: Operation & { kind: 'put' },
  revision: number,
  before: KeyValue | undefined,
): KeyValue {
  const modRevision = BigInt(revision);
  const createRevision = before?.createRevision ?? modRevision;
  return { key, value, createRevision, modRevision, ...(lease === undefined ? {} : { lease }) };
}

function versionAt(versions: readonly Write[], revision: number): Write | undefined {
  const last = versions.at(-1);
  if (last !== undefined && last.revision <= revision) return last;
  return versions.findLast((version) => version.revision <= revision);
}
