// Which leases there are, when each ends, and which keys end with it. Synchronous; the store drives it.
// Invariant: a key hangs on at most one lease.
import type { LeaseId } from '../kv.ts';

interface Lease {
  readonly ttlSec: number;
  readonly keys: Set<string>;
  deadline: number;
}

/** The leases of a store; times are those of its Clock, in ms. */
export class LeaseTable {
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #leaseOfKey = new Map<string, LeaseId>();

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  add(id: LeaseId, ttlSec: number, now: number): void {
    this.#leases.set(id, { ttlSec, keys: new Set(), deadline: now + ttlSec * 1000 });
  }

  /** Answers the ttl; undefined for an unknown lease, or one whose time is up. */
  renew(id: LeaseId, now: number): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.deadline <= now) return undefined;
    lease.deadline = now + lease.ttlSec * 1000;
    return lease.ttlSec;
  }

  /** Answers the ms left, 0 for one whose time is up; undefined for an unknown lease. */
  remaining(id: LeaseId, now: number): number | undefined {
    const lease = this.#leases.get(id);
    return lease === undefined ? undefined : Math.max(0, lease.deadline - now);
  }

  /** Hangs `key` on `id`, or on none. */
  attach(key: string, id: LeaseId | undefined): void {
    const before = this.#leaseOfKey.get(key);
    if (before === id) return;
    if (before !== undefined) this.#leases.get(before)?.keys.delete(key);
    if (id === undefined) {
      this.#leaseOfKey.delete(key);
      return;
    }
    this.#leaseOfKey.set(key, id);
    this.#leases.get(id)?.keys.add(key);
  }

  /** Forgets the lease and answers its keys; undefined when there is none. */
  remove(id: LeaseId): ReadonlySet<string> | undefined {
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    for (const key of lease?.keys ?? []) this.#leaseOfKey.delete(key);
    return lease?.keys;
  }

  /** When the next lease ends. Looks at each: it is asked once a wake-up, and renewed leases make wake-ups rare. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { deadline } of this.#leases.values())
      if (next === undefined || deadline < next) next = deadline;
    return next;
  }

  /** Those whose time is up, the longest overdue first. */
  due(now: number): LeaseId[] {
    return [...this.#leases]
      .filter(([, lease]) => lease.deadline <= now)
      .sort(([, a], [, b]) => a.deadline - b.deadline)
      .map(([id]) => id);
  }
}
