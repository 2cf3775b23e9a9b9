// etcd as the store: Kv over gRPC. What goes wrong between here and etcd, and what is done about it: docs/adr/0002-etcd-adapter.md.
// Invariant: every call settles: by an answer, by its time, by its signal, or by close().
import type { IResponseHeader, ITxnRequest, ITxnResponse } from 'etcd3';
import { FleetError, isFleetError } from '../../model/errors.ts';
import { RANGE_PAGE_KEYS } from '../../model/limits.ts';
import type { Clock } from '../../runtime/clock.ts';
import { checkTxn, operationsOf } from '../check-txn.ts';
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
import { keyBehind, type Encoding, type KeyRange } from './encode.ts';
import type { History, Mark } from './history.ts';
import type { InFlight } from './in-flight.ts';
import type { Member, Try } from './member.ts';
import type { CallOptions, Members } from './members.ts';
import { SharedRanges } from './shared-ranges.ts';
import { TxnGroups } from './txn-groups.ts';
import { watchEvents } from './watch.ts';

export interface EtcdStoreParts {
  readonly members: Members;
  readonly all: readonly Member[];
  readonly inFlight: InFlight;
  readonly history: History;
  readonly encoding: Encoding;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

/** What one page of a range asks for. */
interface Page extends KeyRange {
  readonly limit: number;
  readonly keysOnly: boolean;
  readonly revision: Revision | undefined;
}

/** Made by openEtcdStore. */
export class EtcdStore implements Kv {
  readonly #parts: EtcdStoreParts;

  constructor(parts: EtcdStoreParts) {
    this.#parts = parts;
  }

  get reversions(): number {
    return this.#parts.history.mark.epoch;
  }

  async range(prefix: string, options: RangeOptions, signal: AbortSignal): Promise<RangeResult> {
    const kvs: KeyValue[] = [];
    const max = options.limit ?? Number.POSITIVE_INFINITY;
    const { key: first, range_end } = this.#parts.encoding.range(prefix, options.after);
    let key = first;
    let { revision } = options;
    for (;;) {
      const limit = Math.min(max - kvs.length, RANGE_PAGE_KEYS);
      const keysOnly = options.keysOnly ?? false;
      const page = await this.#page({ key, range_end, limit, keysOnly, revision }, signal);
      revision = page.revision;
      for (const raw of page.kvs) kvs.push(this.#parts.encoding.keyValue(raw));
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined || kvs.length >= max) {
        return { revision, kvs, more: page.more };
      }
      // The key's own bytes: what others wrote need not be UTF-8.
      key = keyBehind(last.key);
    }
  }

  async count(prefix: string, signal: AbortSignal): Promise<CountResult> {
    const request = { ...this.#parts.encoding.range(prefix), count_only: true };
    const { count, header } = await this.#checked(
      (member, limits) => member.call(({ range }) => range, request, limits),
      { resend: 'always', signal },
    );
    return { count: Number(count), revision: BigInt(header.revision) };
  }

  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    checkTxn(txn);
    return await this.#txn(txn, signal);
  }

  /** The same store for many callers that know nothing of each other: transactions of theirs that come together share a request, and so do ranges. */
  grouped(): Kv {
    const groups = new TxnGroups((txns, signal) => this.#txnGroup(txns, signal));
    const txn: Kv['txn'] = async (one, signal) => {
      checkTxn(one);
      return await groups.txn(one, signal);
    };
    const ranges = new SharedRanges((...asked) => this.range(...asked));
    const reversions = (): number => this.reversions;
    return {
      get reversions() {
        return reversions();
      },
      txn,
      range: ranges.range,
      count: (prefix, signal) => this.count(prefix, signal),
      watch: (prefix, from, signal) => this.watch(prefix, from, signal),
      grantLease: (ttlSec, signal) => this.grantLease(ttlSec, signal),
      renewLease: (id, signal, withinMs) => this.renewLease(id, signal, withinMs),
      leaseRemaining: (id, signal) => this.leaseRemaining(id, signal),
      revokeLease: (id, signal) => this.revokeLease(id, signal),
      compact: (revision, signal) => this.compact(revision, signal),
      close: () => this.close(),
    };
  }

  async #txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    const { encoding } = this.#parts;
    const answer = await this.#sendTxn(encoding.txn(txn), [txn], signal);
    return encoding.txnResult(txn, answer);
  }

  /** Several transactions, none of which touches what another writes, as one request; each has its own outcome. */
  async #txnGroup(txns: readonly Txn[], signal: AbortSignal): Promise<readonly TxnResult[]> {
    const { encoding } = this.#parts;
    const [first] = txns;
    if (first !== undefined && txns.length === 1) return [await this.#txn(first, signal)];
    const answer = await this.#sendTxn(encoding.group(txns), txns, signal);
    return encoding.groupResults(txns, answer);
  }

  #sendTxn(request: ITxnRequest, txns: readonly Txn[], signal: AbortSignal): Promise<ITxnResponse> {
    const writes = txns.flatMap(operationsOf).some(({ kind }) => kind !== 'get');
    return this.#checked(
      (member, limits) => member.call(({ txn: method }) => method, request, limits),
      // Sent twice, a compare-and-set would answer `succeeded: false` for its own first try.
      { resend: writes ? 'unlessSent' : 'always', signal },
    );
  }

  watch(prefix: string, from: Revision, signal: AbortSignal): AsyncIterable<WatchBatch> {
    const { members, history, encoding, clock, requestTimeoutMs } = this.#parts;
    return watchEvents({
      prefix,
      from,
      members,
      history,
      encoding,
      clock,
      signal,
      openTimeoutMs: requestTimeoutMs,
      readRevision: (readSignal) => this.#readRevision(readSignal),
    });
  }

  async grantLease(ttlSec: number, signal: AbortSignal): Promise<LeaseId> {
    // An id of our own makes the grant one that can be sent again: etcd then says that the lease exists.
    let id = newLeaseId(this.#parts.random);
    let sent = false;
    return this.#parts.members.call(
      async (member, limits) => {
        const request = { TTL: String(ttlSec), ID: id };
        const again = sent;
        sent = true;
        try {
          await member.call(({ leaseGrant }) => leaseGrant, request, limits);
        } catch (error) {
          const exists = error instanceof Error && error.message.includes('lease already exists');
          if (exists && again) return id;
          if (exists) {
            // Somebody else's: another id, and a first try once more.
            id = newLeaseId(this.#parts.random);
            sent = false;
          }
          throw error;
        }
        return id;
      },
      { resend: 'always', signal },
    );
  }

  renewLease(id: LeaseId, signal: AbortSignal, withinMs?: number): Promise<Renewal> {
    return this.#parts.members.call(
      async (member, limits) => {
        const renewal = await member.keepAlive(id, limits);
        if (renewal.leftSec <= 0) throw leaseGone(id);
        return renewal;
      },
      { resend: 'always', signal, ...(withinMs === undefined ? {} : { withinMs }) },
    );
  }

  async leaseRemaining(id: LeaseId, signal: AbortSignal): Promise<number> {
    const { TTL, grantedTTL } = await this.#parts.members.call(
      (member, limits) => member.call(({ leaseTimeToLive }) => leaseTimeToLive, { ID: id }, limits),
      { resend: 'always', signal },
    );
    // An unknown lease is no error here: etcd 3.4, etcdserver/api/v3rpc/lease.go answers -1, and granted nothing.
    if (Number(grantedTTL) <= 0) throw leaseGone(id);
    return Math.max(0, Number(TTL));
  }

  async revokeLease(id: LeaseId, signal: AbortSignal): Promise<void> {
    try {
      await this.#parts.members.call(
        (member, limits) => member.call(({ leaseRevoke }) => leaseRevoke, { ID: id }, limits),
        { resend: 'always', signal },
      );
    } catch (error) {
      if (!isFleetError(error, 'STORE_LEASE_GONE')) throw error;
    }
  }

  async compact(revision: Revision, signal: AbortSignal): Promise<void> {
    const request = { revision: String(revision) };
    try {
      await this.#parts.members.call(
        (member, limits) => member.call(({ compact }) => compact, request, limits),
        { resend: 'always', signal },
      );
    } catch (error) {
      // Another client was quicker, or our own first try.
      if (!isFleetError(error, 'STORE_COMPACTED')) throw error;
    }
  }

  close(): Promise<void> {
    this.#parts.inFlight.close();
    for (const member of this.#parts.all) member.close();
    return Promise.resolve();
  }

  async #page({ keysOnly, revision, limit, ...keys }: Page, signal: AbortSignal) {
    const request = {
      ...keys,
      limit: String(limit),
      keys_only: keysOnly,
      ...(revision === undefined ? {} : { revision: String(revision) }),
    };
    const answer = await this.#checked(
      (member, limits) => member.call(({ range }) => range, request, limits),
      { resend: 'always', signal },
    );
    const { kvs, more } = answer;
    // The header tells the store's revision now, which is not the one read when that was given.
    return { kvs, more, revision: revision ?? BigInt(answer.header.revision) };
  }

  async #readRevision(signal: AbortSignal): Promise<Revision> {
    const request = { key: Buffer.from([0]), limit: '1', count_only: true };
    const { header } = await this.#checked(
      (member, limits) => member.call(({ range }) => range, request, limits),
      { resend: 'always', signal },
    );
    return BigInt(header.revision);
  }

  /** A call whose answer is linearizable: it must not be older than what was seen before it was sent. */
  async #checked<Answer extends { readonly header: IResponseHeader }>(
    attempt: (member: Member, limits: Try) => Promise<Answer>,
    options: CallOptions,
  ): Promise<Answer> {
    const { members, history } = this.#parts;
    let sent: Mark = history.mark;
    const answer = await members.call((member, limits) => {
      sent = history.mark;
      return attempt(member, limits);
    }, options);
    history.check(sent, answer.header);
    return answer;
  }
}

/** 62 random bits; 0 would let etcd choose. */
function newLeaseId(random: () => number): LeaseId {
  return String((randomBits(random, 31) << 31n) | randomBits(random, 31) | 1n);
}

function randomBits(random: () => number, bits: number): bigint {
  return BigInt(Math.floor(random() * 2 ** bits));
}

function leaseGone(id: LeaseId): FleetError {
  return new FleetError('STORE_LEASE_GONE', `etcd does not know the lease '${id}' (any more)`, {
    hint: 'Grant a new one.',
    details: { lease: id },
  });
}
