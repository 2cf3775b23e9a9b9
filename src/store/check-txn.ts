// What a transaction may hold, checked before anything is sent: the same for every adapter.
// Invariant: what passes here is refused by no etcd with default limits.
import { FleetError } from '../model/errors.ts';
import { TXN_COMPARES_MAX, TXN_MAX_BYTES, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Operation, Txn } from './kv.ts';

/** Throws STORE_LIMIT when `txn` is too large, or writes one key twice in a branch (which etcd refuses). */
export function checkTxn(txn: Txn): void {
  checkCount('compares', txn.compares?.length ?? 0, TXN_COMPARES_MAX);
  for (const branch of [txn.then, txn.else ?? []]) {
    checkCount('operations', branch.length, TXN_OPERATIONS_MAX);
    checkKeys(branch);
  }
  checkCount('bytes', bytesOf(txn), TXN_MAX_BYTES);
}

/** bytes of the keys and values of `txn`. */
export function bytesOf(txn: Txn): number {
  let bytes = 0;
  for (const compare of txn.compares ?? []) {
    bytes += Buffer.byteLength(compare.key);
    if (compare.target === 'value') bytes += Buffer.byteLength(compare.equals);
  }
  for (const operation of operationsOf(txn)) {
    bytes += Buffer.byteLength(operation.key);
    if (operation.kind === 'put') bytes += Buffer.byteLength(operation.value);
  }
  return bytes;
}

/** Of both branches. */
export function operationsOf({ then, else: otherwise = [] }: Txn): readonly Operation[] {
  return [...then, ...otherwise];
}

function checkCount(what: string, count: number, max: number): void {
  if (count <= max) return;
  throw new FleetError('STORE_LIMIT', `a transaction has '${count}' ${what}, more than '${max}'`, {
    hint: 'Write in several transactions.',
    details: { what, count, max },
  });
}

/** Sorted, not in a set: V8 would keep each key that a set has held in its table of strings, which every major collection walks. */
function checkKeys(branch: readonly Operation[]): void {
  if (branch.some(({ key }) => key === ''))
    throw new FleetError('STORE_LIMIT', 'a transaction names an empty key');
  const writes = branch
    .filter(({ kind }) => kind !== 'get')
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  for (const [i, { kind, key }] of writes.entries()) {
    const before = writes[i - 1];
    // Two deletes of one key are harmless, and etcd takes them.
    if (before?.key !== key || (before.kind === 'delete' && kind === 'delete')) continue;
    throw new FleetError('STORE_LIMIT', `a transaction writes the key '${key}' twice`, {
      hint: 'Write each key once in a transaction.',
      details: { key },
    });
  }
}
