// Transactions that wait for the store at the same moment travel in one request: what group commit is to a database.
// Invariant: each has the outcome that it would have had alone; in a group no key is written that another of it reads, compares or writes.
import { TXN_GROUP_MAX, TXN_MAX_BYTES, TXN_OPERATIONS_MAX } from '../../model/limits.ts';
import { bytesOf, operationsOf } from '../check-txn.ts';
import type { Operation, Txn, TxnResult } from '../kv.ts';

/** Sends transactions that do not touch each other, as one request; an answer each, in their order. */
export type SendGroup = (
  txns: readonly Txn[],
  signal: AbortSignal,
) => Promise<readonly TxnResult[]>;

/** Requests under way at once: while they are, later transactions gather. One alone waits for the end of its turn only: what is asked in it travels together. */
const REQUESTS_MAX = 2;

/** The keys of both branches. */
interface TxnKeys {
  readonly written: readonly string[];
  /** Put by `shared` operations: two of a group may put the same. */
  readonly shared: readonly string[];
  /** Compared or read. */
  readonly seen: readonly string[];
}

interface Waiting {
  readonly txn: Txn;
  readonly keys: TxnKeys;
  readonly bytes: number;
  /** Operations or compares, whichever are more. */
  readonly width: number;
  readonly isAlone: boolean;
  readonly settled: PromiseWithResolvers<TxnResult>;
  isAborted: boolean;
}

/** Gathers transactions. Those that only read never travel with those that write: after a failure they can be sent again. */
export class TxnGroups {
  readonly #send: SendGroup;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #isPumpDue = false;

  constructor(send: SendGroup) {
    this.#send = send;
  }

  /** As Kv.txn of a transaction that is within its limits. */
  async txn(txn: Txn, signal: AbortSignal): Promise<TxnResult> {
    signal.throwIfAborted();
    const one = waitingFor(txn);
    const abort = (): void => {
      one.isAborted = true;
      one.settled.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting.push(one);
    this.#pumpSoon();
    try {
      return await one.settled.promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#underWay < REQUESTS_MAX) {
      const group = this.#nextGroup();
      if (group.length === 0) return;
      this.#underWay += 1;
      void this.#carryOut(group);
    }
  }

  async #carryOut(group: readonly Waiting[]): Promise<void> {
    const everyoneLeft = new AbortController();
    let left = group.length;
    for (const { settled } of group) {
      settled.promise.catch(() => {
        left -= 1;
        if (left === 0) everyoneLeft.abort();
      });
    }
    try {
      const results = await this.#send(
        group.map(({ txn }) => txn),
        everyoneLeft.signal,
      );
      for (const [i, result] of results.entries()) group[i]?.settled.resolve(result);
    } catch (error) {
      for (const { settled } of group) settled.reject(error);
    }
    this.#underWay -= 1;
    this.#pumpSoon(); // who has an answer now may have more to ask
  }

  /** Takes the longest waiting one and those behind it that fit; who does not fit keeps its place. */
  #nextGroup(): readonly Waiting[] {
    const group: Waiting[] = [];
    const kept: Waiting[] = [];
    const room = new Room();
    for (const one of this.#waiting) {
      if (one.isAborted) continue;
      if (room.takes(one)) group.push(one);
      else kept.push(one);
    }
    this.#waiting = kept;
    return group;
  }
}

/** What a request holds, and whether it takes more. */
class Room {
  #count = 0;
  #bytes = 0;
  #widest = 0;
  #first: Waiting | undefined;
  /** The last that was taken: its keys are learned when another asks for room beside it. Most travel alone. */
  #unlearned: TxnKeys | undefined;
  readonly #written = new Set<string>();
  readonly #shared = new Set<string>();
  readonly #seen = new Set<string>();

  takes(one: Waiting): boolean {
    if (this.#first !== undefined && !this.#mayJoin(one, this.#first)) return false;
    this.#first ??= one;
    this.#bytes += one.bytes;
    this.#widest = Math.max(this.#widest, one.width);
    this.#unlearned = one.keys;
    this.#count += 1;
    return true;
  }

  #mayJoin(one: Waiting, first: Waiting): boolean {
    if (one.isAlone || first.isAlone || writes(one.keys) !== writes(first.keys)) return false;
    if (this.#count + 1 + Math.max(this.#widest, one.width) > TXN_OPERATIONS_MAX) return false;
    this.#learn();
    return this.#fits(one) && !this.#touches(one.keys);
  }

  #learn(): void {
    if (this.#unlearned === undefined) return;
    const { written, shared, seen } = this.#unlearned;
    for (const key of written) this.#written.add(key);
    for (const key of shared) this.#shared.add(key);
    for (const key of seen) this.#seen.add(key);
    this.#unlearned = undefined;
  }

  #fits({ keys, bytes, width }: Waiting): boolean {
    const puts = keys.shared.filter((key) => !this.#shared.has(key)).length;
    // etcd counts the operations of the request and the widest transaction in it together.
    const operations = this.#count + 1 + this.#shared.size + puts + Math.max(this.#widest, width);
    return (
      this.#count < TXN_GROUP_MAX &&
      operations <= TXN_OPERATIONS_MAX &&
      this.#bytes + bytes <= TXN_MAX_BYTES
    );
  }

  #touches({ written, shared, seen }: TxnKeys): boolean {
    return (
      written.some(
        (key) => this.#written.has(key) || this.#seen.has(key) || this.#shared.has(key),
      ) ||
      shared.some((key) => this.#written.has(key) || this.#seen.has(key)) ||
      seen.some((key) => this.#written.has(key) || this.#shared.has(key))
    );
  }
}

function waitingFor(txn: Txn): Waiting {
  const { compares = [], then, else: otherwise = [] } = txn;
  const operations = operationsOf(txn);
  const keysWhere = (is: (operation: Operation) => boolean): readonly string[] =>
    operations.filter(is).map(({ key }) => key);
  return {
    txn,
    keys: {
      written: keysWhere((one) => one.kind !== 'get' && !isShared(one)),
      shared: keysWhere(isShared),
      seen: [...compares.map(({ key }) => key), ...keysWhere(({ kind }) => kind === 'get')],
    },
    bytes: bytesOf(txn),
    width: Math.max(compares.length, then.length, otherwise.length),
    // A lease that is gone fails the whole request.
    isAlone: operations.some((one) => one.kind === 'put' && one.lease !== undefined),
    settled: Promise.withResolvers(),
    isAborted: false,
  };
}

function writes({ written, shared }: TxnKeys): boolean {
  return written.length + shared.length > 0;
}

/** Says whether a group puts it once for all that ask for it. */
export function isShared(operation: Operation): boolean {
  return operation.kind === 'put' && operation.shared === true;
}
