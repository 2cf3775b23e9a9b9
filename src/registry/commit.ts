// The engine's writes: many compare-and-sets in few fenced transactions. One round trip names those that lost.
// Invariant: nothing is written unless the leader key is as this term created it.
import { FleetError } from '../model/errors.ts';
import { TXN_COMPARES_MAX, TXN_MAX_BYTES, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Compare, Kv, Operation, Revision } from '../store/kv.ts';

/** What every write of a term compares: the leader key as this term created it. */
export interface Fence {
  readonly key: string;
  readonly createRevision: Revision;
}

/** The writes of one decision, all or none. No two writes of one commit may touch the same key. */
export interface FencedWrite {
  /** Each on the mod revision of a key. */
  readonly compares: readonly ModCompare[];
  readonly operations: readonly Operation[];
  /** The key of the record that it is about: a write that compares it too was decided by this one, and is lost with it in the same batch. */
  readonly about?: string;
}
export interface ModCompare {
  readonly key: string;
  readonly equals: Revision;
}

export interface CommitResult<Write> {
  /** What was written, and at which revision. */
  readonly committed: readonly Readonly<{ write: Write; revision: Revision }>[];
  /** Those whose records had changed meanwhile: decide again when the mirror has them. */
  readonly lost: readonly Write[];
}

/** Transactions under way at once: etcd takes them one after the other, and the round trips overlap. */
const BATCHES_IN_FLIGHT = 4;

/** Writes what was decided. Throws LEADERSHIP_LOST when the fence does not hold; then nothing more was written. */
export async function commit<Write extends FencedWrite>(
  kv: Kv,
  fence: Fence,
  writes: readonly Write[],
  signal: AbortSignal,
): Promise<CommitResult<Write>> {
  const committed: { write: Write; revision: Revision }[] = [];
  const lost: Write[] = [];
  const batches = batchesOf(writes);
  const worker = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      const result = await commitBatch(kv, fence, batch, signal);
      committed.push(...result.committed);
      lost.push(...result.lost);
    }
  };
  const workers = Array.from({ length: Math.min(BATCHES_IN_FLIGHT, batches.length) }, worker);
  // All end before a failure is told: no transaction of this commit is still under way afterwards.
  const ends = await Promise.allSettled(workers);
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return { committed, lost };
}

/** Writes one batch, without the losers that the `else` branch names. */
async function commitBatch<Write extends FencedWrite>(
  kv: Kv,
  fence: Fence,
  batch: readonly Write[],
  signal: AbortSignal,
): Promise<CommitResult<Write>> {
  const lost: Write[] = [];
  let left = batch;
  while (left.length > 0) {
    const compared = left.flatMap((write) => write.compares);
    const result = await kv.txn(
      {
        compares: [
          { key: fence.key, target: 'create', equals: fence.createRevision },
          ...compared.map(({ key, equals }): Compare => ({ key, target: 'mod', equals })),
        ],
        then: left.flatMap((write) => write.operations),
        else: [fence.key, ...compared.map(({ key }) => key)].map((key) => ({ kind: 'get', key })),
      },
      signal,
    );
    if (result.succeeded) {
      const { revision } = result;
      return { committed: left.map((write) => ({ write, revision })), lost };
    }
    const [leader, ...found] = result.gets;
    if (leader?.createRevision !== fence.createRevision)
      throw new FleetError('LEADERSHIP_LOST', 'the leader key is gone or held by another');
    const moved = new Set(
      compared
        .filter(({ equals }, i) => (found[i]?.modRevision ?? 0n) !== equals)
        .map(({ key }) => key),
    );
    const losers = losersOf(left, moved);
    if (losers.length === 0) throw new Error('a transaction failed and none of its compares did');
    lost.push(...losers);
    left = left.filter((write) => !losers.includes(write));
  }
  return { committed: [], lost };
}

/** Those that compare one of these keys, and those that were decided by a loser: they follow it, so one pass in their order finds them. */
function losersOf<Write extends FencedWrite>(
  writes: readonly Write[],
  moved: Set<string>,
): readonly Write[] {
  const losers: Write[] = [];
  for (const write of writes) {
    if (!write.compares.some(({ key }) => moved.has(key))) continue;
    losers.push(write);
    if (write.about !== undefined) moved.add(write.about);
  }
  return losers;
}

/** Cuts the writes into batches under the limits of a transaction; one write is never cut. */
function batchesOf<Write extends FencedWrite>(writes: readonly Write[]): Write[][] {
  const batches: Write[][] = [];
  let batch: Write[] = [];
  let size = emptySize();
  for (const write of writes) {
    const more = sizeOf(write);
    const fits =
      // The `else` branch reads every compared key and the leader's, and is under the same limit.
      size.compares + more.compares < Math.min(TXN_COMPARES_MAX, TXN_OPERATIONS_MAX) &&
      size.operations + more.operations <= TXN_OPERATIONS_MAX &&
      size.bytes + more.bytes <= TXN_MAX_BYTES;
    if (!fits && batch.length > 0) {
      batches.push(batch);
      batch = [];
      size = emptySize();
    }
    batch.push(write);
    size.compares += more.compares;
    size.operations += more.operations;
    size.bytes += more.bytes;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

function emptySize(): { compares: number; operations: number; bytes: number } {
  return { compares: 1, operations: 0, bytes: 0 };
}

function sizeOf(write: FencedWrite): { compares: number; operations: number; bytes: number } {
  let bytes = 0;
  for (const { key } of write.compares) bytes += 2 * key.length;
  for (const operation of write.operations) {
    bytes += operation.key.length;
    if (operation.kind === 'put') bytes += Buffer.byteLength(operation.value);
  }
  return { compares: write.compares.length, operations: write.operations.length, bytes };
}
