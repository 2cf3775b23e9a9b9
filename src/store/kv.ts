// The port to the store, with etcd's semantics. registry/ is functions over it.
// Invariant: a failed or partial read is an error (STORE_UNAVAILABLE), never an empty answer.

/** etcd's store revision: grows by one with each transaction that writes. */
export type Revision = bigint;

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** The lease that it ends with; absent for one that hangs on none. */
  readonly lease?: LeaseId;
}

export interface RangeOptions {
  /** Read the store as it was then; STORE_COMPACTED when that is gone, STORE_REVERTED when the store is not there yet. */
  readonly revision?: Revision;
  /** Start behind this key: how pages follow each other. */
  readonly after?: string;
  /** At most so many keys; without it, all (the adapter reads in pages of RANGE_PAGE_KEYS at one revision). */
  readonly limit?: number;
  /** Leave the values empty. */
  readonly keysOnly?: boolean;
}

export interface RangeResult {
  /** The revision that was read: all pages of one listing agree. */
  readonly revision: Revision;
  /** In order of the key's bytes. */
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

/** How many keys there are, and when. */
export interface CountResult {
  readonly revision: Revision;
  readonly count: number;
}

/** A revision of 0n means: the key does not exist. The value of a missing key equals nothing, not even the empty text. */
export type Compare =
  | Readonly<{ key: string; target: 'mod' | 'create'; equals: Revision }>
  | Readonly<{ key: string; target: 'value'; equals: string }>;

export type Operation =
  | Readonly<{ kind: 'get'; key: string }>
  /** `shared`: the key says what the value is, so that it does no harm where this is put though the compares do not hold. */
  | Readonly<{ kind: 'put'; key: string; value: string; lease?: LeaseId; shared?: true }>
  | Readonly<{ kind: 'delete'; key: string }>;

/**
 * Operations run in order: a `get` sees what was put before it. A branch that puts or deletes one key twice is STORE_LIMIT, an unknown
 * lease in the branch that runs is STORE_LEASE_GONE, and then nothing is written.
 * At most TXN_OPERATIONS_MAX operations a branch, TXN_COMPARES_MAX compares, TXN_MAX_BYTES: else STORE_LIMIT before anything is sent.
 * An adapter never sends a txn that writes again when it cannot know whether its first try was committed: sent twice, a compare-and-set
 * answers `succeeded: false` for its own first try. It throws STORE_UNAVAILABLE with `details.ambiguous: true`, and the caller reads again.
 */
export interface Txn {
  readonly compares?: readonly Compare[];
  readonly then: readonly Operation[];
  readonly else?: readonly Operation[];
}

export interface TxnResult {
  readonly succeeded: boolean;
  readonly revision: Revision;
  /** One entry an operation of the branch that ran: what a `get` found; undefined for a missing key, put and delete. */
  readonly gets: readonly (KeyValue | undefined)[];
}

export type WatchEvent =
  | Readonly<{ kind: 'put'; kv: KeyValue }>
  | Readonly<{ kind: 'delete'; key: string; modRevision: Revision }>;

/** All events of one revision, in order. */
export interface WatchBatch {
  readonly revision: Revision;
  readonly events: readonly WatchEvent[];
}

/** etcd's lease id, as a decimal string. */
export type LeaseId = string;

/** What a store says to a renewal. */
export interface Renewal {
  /** Seconds until the lease ends. */
  readonly leftSec: number;
  /** One that the store had reached by then: a member that lags tells an earlier one. */
  readonly revision: Revision;
}

export interface Kv {
  /** How often this process has found that the store went back: restored from a backup, or another. Whoever knows it by an earlier number reads anew. */
  readonly reversions: number;

  /** All keys that begin with `prefix`; linearizable unless `revision` is given. */
  range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult>;

  /** How many keys begin with `prefix`; linearizable, and no key is sent. */
  count(prefix: string, signal: AbortSignal): Promise<CountResult>;

  /** STORE_REVERTED from here says that the store answered, and is not the one that was seen before: read again. */
  txn(txn: Txn, signal: AbortSignal): Promise<TxnResult>;

  /**
   * Every event on keys under `prefix` from revision `from` on, complete and in order. It never resumes by itself: when its
   * stream ends it throws STORE_WATCH_LOST, STORE_COMPACTED or STORE_REVERTED, and the caller lists again. Ends quietly on abort.
   * Where the store is not at `from - 1` yet, it waits or throws STORE_REVERTED; it never tells anything before `from`.
   */
  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch>;

  grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId>;
  /**
   * Renews once. Answers what is left now; throws STORE_LEASE_GONE when the store does not know the lease. In `withinMs` more than one
   * member is tried; without it the store's own bounds hold.
   */
  renewLease(id: LeaseId, signal: AbortSignal, withinMs?: number): Promise<Renewal>;
  /**
   * Seconds left, whole ones, rounded down: 0 also where it has ended and its keys are about to go. STORE_LEASE_GONE as above. Renews nothing.
   */
  leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number>;
  /** Ends the lease and its keys; a lease that is gone already is no error. */
  revokeLease(id: LeaseId, signal: AbortSignal): Promise<void>;

  /** Forgets history before `revision`; one that is forgotten already is no error, one that is not there yet is STORE_REVERTED. */
  compact(revision: Revision, signal: AbortSignal): Promise<void>;

  /** Settles all that is pending; later calls are STORE_UNAVAILABLE. */
  close(): Promise<void>;
}
