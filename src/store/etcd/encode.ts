// Keys, records and transactions, ours ⇄ etcd's. Keys are UTF-8; `root` stands before each key in etcd and is not seen outside.
// Invariant: what is read with the same root is what was written.
import type { IKeyValue, IRequestOp, ITxnRequest, ITxnResponse, IWatchResponse } from 'etcd3';
import type { Compare, KeyValue, Operation, Txn, TxnResult, WatchEvent } from '../kv.ts';
import { operationsOf } from '../check-txn.ts';
import { isShared } from './txn-groups.ts';

/** etcd's sign for 'no end': all keys from here on. */
const noEnd = Buffer.from([0]);

/** As in etcd's rpc.proto; the library's types leave it out. */
interface NestedResponse {
  readonly response_txn: ITxnResponse;
}

export interface KeyRange {
  readonly key: Buffer;
  readonly range_end: Buffer;
}

export class Encoding {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  key(key: string): Buffer {
    return Buffer.from(this.#root + key);
  }

  /** All keys that begin with `prefix`, from behind `after` on. */
  range(prefix: string, after?: string): KeyRange {
    const start = Buffer.from(this.#root + prefix);
    const range_end = endOfPrefix(start);
    // An empty key means something else to etcd.
    const first = start.length === 0 ? noEnd : start;
    if (after === undefined) return { key: first, range_end };
    const behind = keyBehind(this.key(after));
    return { key: Buffer.compare(behind, first) > 0 ? behind : first, range_end };
  }

  keyValue(raw: IKeyValue): KeyValue {
    return {
      key: this.#unroot(raw.key),
      value: raw.value.toString(),
      createRevision: BigInt(raw.create_revision),
      modRevision: BigInt(raw.mod_revision),
      ...(raw.lease === '0' ? {} : { lease: raw.lease }),
    };
  }

  event({ type, kv }: IWatchResponse['events'][number]): WatchEvent {
    if (type === 'Put') return { kind: 'put', kv: this.keyValue(kv) };
    return { kind: 'delete', key: this.#unroot(kv.key), modRevision: BigInt(kv.mod_revision) };
  }

  txn(txn: Txn): ITxnRequest {
    return {
      compare: (txn.compares ?? []).map((compare) => this.#compare(compare)),
      success: txn.then.map((operation) => this.#operation(operation)),
      failure: (txn.else ?? []).map((operation) => this.#operation(operation)),
    };
  }

  txnResult(txn: Txn, { succeeded, header, responses }: ITxnResponse): TxnResult {
    const branch = succeeded ? txn.then : (txn.else ?? []);
    const gets = branch.map((operation, index) => {
      if (operation.kind !== 'get') return undefined;
      const found = responses[index]?.response_range.kvs[0];
      return found === undefined ? undefined : this.keyValue(found);
    });
    return { succeeded, revision: BigInt(header.revision), gets };
  }

  /** Transactions that do not touch each other as one that compares nothing: each is nested in it, with its own compares. */
  group(txns: readonly Txn[]): ITxnRequest {
    const shared = new Map<string, Operation>();
    for (const operation of txns.flatMap(operationsOf))
      if (isShared(operation)) shared.set(operation.key, operation);
    const nested = txns.map((txn) => ({ request_txn: this.txn(withoutShared(txn)) }));
    const puts = [...shared.values()].map((operation) => this.#operation(operation));
    // The library's types do not know nested transactions; its messages do.
    return { success: [...nested, ...puts] as IRequestOp[] };
  }

  /** The results in the order of `txns`, all at the revision of the whole. */
  groupResults(txns: readonly Txn[], { header, responses }: ITxnResponse): readonly TxnResult[] {
    return txns.map((txn, i) => {
      const nested = (responses[i] as NestedResponse).response_txn;
      const result = this.txnResult(withoutShared(txn), { ...nested, header });
      const gets = result.gets[Symbol.iterator]();
      const branch = result.succeeded ? txn.then : (txn.else ?? []);
      return {
        ...result,
        gets: branch.map((operation) => (isShared(operation) ? undefined : gets.next().value)),
      };
    });
  }

  #unroot(key: Buffer): string {
    return key.toString().slice(this.#root.length);
  }

  #compare(compare: Compare): NonNullable<ITxnRequest['compare']>[number] {
    const key = this.key(compare.key);
    switch (compare.target) {
      case 'mod':
        return { key, result: 'Equal', target: 'Mod', mod_revision: String(compare.equals) };
      case 'create':
        return { key, result: 'Equal', target: 'Create', create_revision: String(compare.equals) };
      case 'value':
        return { key, result: 'Equal', target: 'Value', value: Buffer.from(compare.equals) };
    }
  }

  #operation(operation: Operation): IRequestOp {
    const key = this.key(operation.key);
    switch (operation.kind) {
      case 'get':
        return { request_range: { key } };
      case 'put': {
        const lease = operation.lease === undefined ? {} : { lease: operation.lease };
        return { request_put: { key, value: Buffer.from(operation.value), ...lease } };
      }
      case 'delete':
        return { request_delete_range: { key } };
    }
  }
}

function withoutShared(txn: Txn): Txn {
  return {
    ...txn,
    then: txn.then.filter((operation) => !isShared(operation)),
    else: (txn.else ?? []).filter((operation) => !isShared(operation)),
  };
}

/** The first key behind `key`. */
export function keyBehind(key: Buffer): Buffer {
  return Buffer.concat([key, noEnd]);
}

/** The first key that no longer begins with `prefix`; bytes of 0xff have no successor and are cut off. */
function endOfPrefix(prefix: Buffer): Buffer {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  if (last < 0) return noEnd;
  const end = Buffer.from(prefix.subarray(0, last + 1));
  end[last] = (prefix[last] ?? 0) + 1;
  return end;
}
