// The port of the embedded store to what makes it durable: sqlite.ts, or nothing.
// Invariant: changes become durable in the order in which they were appended, and each as a whole.
import type { LeaseId } from '../kv.ts';
import type { Snapshot, Write } from './mvcc.ts';

/** What one call changed. */
export interface Change {
  readonly writes?: readonly Write[];
  readonly granted?: Readonly<{ id: LeaseId; ttlSec: number }>;
  readonly ended?: LeaseId;
  readonly compaction?: Readonly<{ revision: number; dropped: readonly Write[] }>;
}

/** All that a store begins anew with. */
export interface JournalState extends Snapshot {
  readonly leases: ReadonlyMap<LeaseId, number>;
  /** Ids up to here were used. */
  readonly lastLease: number;
}

/** Keeps changes for good. */
export interface Journal {
  /** What is durable. `writes` is to be read before anything is appended. */
  load(): JournalState;
  /** Ends when the change, and all before it, is durable; then `durable` has run. Rejects when it is not: the caller loads again. */
  append(change: Change): Promise<void>;
  /** Makes what was appended durable, and lets go of the file. */
  close(): Promise<void>;
}
