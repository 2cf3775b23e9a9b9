// What leaders forget now and then: the store's history of long ago, and unit files that nothing names any more.
// Invariant: when it was looked last stands in the store, so that it is done however often the leader changes.
import { encode, type HistoryMark } from '../registry/codec.ts';
import type { Fence } from '../registry/commit.ts';
import { collectFiles } from '../registry/files.ts';
import { readRecord, type Registry } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';

export interface HistoryDeps extends Registry {
  readonly clock: Clock;
  readonly fence: Fence;
}

const LOOK_EVERY_MS = 5 * 60_000;
/** The history that watches and pages may still need. */
const KEEP_HISTORY_MS = 10 * 60_000;

/** Looks, unless this or another leader has a short while ago. Answers after how many ms to call it again. */
export async function forgetHistory(deps: HistoryDeps, signal: AbortSignal): Promise<number> {
  const { kv, keys, clock, fence } = deps;
  const { gets, revision } = await kv.txn({ then: [{ kind: 'get', key: keys.history }] }, signal);
  const [found] = gets;
  const nowMs = clock.wallNow();
  const record = found && readRecord(deps, 'history', found);
  // One from the future was made by a clock that was wrong.
  const marks = (record?.marks ?? []).filter(({ atMs }) => atMs <= nowMs);
  const last = marks.at(-1);
  const waitMs = last === undefined ? 0 : last.atMs + LOOK_EVERY_MS - nowMs;
  if (waitMs > 0) return waitMs;
  const old = marks.findLast(({ atMs }) => nowMs - atMs >= KEEP_HISTORY_MS);
  const kept = marks.slice(old === undefined ? 0 : marks.indexOf(old) + 1);
  const next: readonly HistoryMark[] = [...kept, { atMs: nowMs, revision: String(revision) }];
  const value = encode('history', { marks: next });
  const written = await kv.txn(
    {
      compares: [
        { key: fence.key, target: 'create', equals: fence.createRevision },
        { key: keys.history, target: 'mod', equals: found?.modRevision ?? 0n },
      ],
      then: [{ kind: 'put', key: keys.history, value }],
    },
    signal,
  );
  if (!written.succeeded) return LOOK_EVERY_MS; // another leads
  if (old !== undefined) await kv.compact(BigInt(old.revision), signal);
  if (last !== undefined) {
    const before = BigInt(last.revision);
    await collectFiles(deps, { before, fence }, signal);
  }
  return LOOK_EVERY_MS;
}
