// Which history of the store was seen: an etcd that was restored from a backup, or is another cluster, has a shorter one.
// Invariant: only linearizable answers are compared, each with what was known when its request was sent: those never go back, however far
// the member behind the answer lags. Headers of watches and leases may lag and are not looked at.
import type { IResponseHeader } from 'etcd3';
import { FleetError } from '../../model/errors.ts';

/** What was known when a request was sent. */
export interface Mark {
  readonly epoch: number;
  readonly cluster: string | undefined;
  readonly term: bigint;
  readonly revision: bigint;
}

/** Compares headers; an answer that goes back is told once to its caller and to every listener, then the shorter history counts. */
export class History {
  #mark: Mark = { epoch: 0, cluster: undefined, term: 0n, revision: 0n };
  readonly #listeners = new Set<() => void>();

  get mark(): Mark {
    return this.#mark;
  }

  /** Calls `listener` when the store has gone back; answers how to stop that. */
  onReverted(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes in the header of a linearizable answer to a request that was sent at `sent`. Throws STORE_REVERTED. */
  check(sent: Mark, header: IResponseHeader): void {
    // Found out by another call while this one was under way: nothing says which history this answer belongs to.
    if (sent.epoch !== this.#mark.epoch) throw revertedError(this.#mark.revision, sent.revision);
    const cluster = header.cluster_id;
    const revision = BigInt(header.revision);
    const term = BigInt(header.raft_term);
    const other = sent.cluster !== undefined && sent.cluster !== cluster;
    if (!other && revision >= sent.revision && term >= sent.term) {
      const now = this.#mark;
      if (revision > now.revision || term > now.term || now.cluster === undefined) {
        this.#mark = {
          epoch: now.epoch,
          cluster,
          term: term > now.term ? term : now.term,
          revision: revision > now.revision ? revision : now.revision,
        };
      }
      return;
    }
    this.#mark = { epoch: this.#mark.epoch + 1, cluster, term, revision };
    for (const listener of this.#listeners) listener();
    throw revertedError(revision, sent.revision);
  }
}

/** The error of everything that relied on revisions which the store no longer has. */
export function revertedError(revision: bigint, seen: bigint): FleetError {
  return new FleetError(
    'STORE_REVERTED',
    `etcd is at revision '${revision}' although '${seen}' was seen: it was restored from a backup, or is another store`,
    { hint: 'List again.', details: { revision: String(revision), seen: String(seen) } },
  );
}
