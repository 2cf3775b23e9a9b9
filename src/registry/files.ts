// Unit files by the SHA-256 of their bytes: read by whoever needs a text, collected when nothing names them any more.
// Invariant: a file that any record names, or that a request has just put, is never deleted.
import { RANGE_PAGE_KEYS, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Operation, Revision } from '../store/kv.ts';
import type { Fence } from './commit.ts';
import type { Registry } from './registry.ts';
import { pagesOf, readRecord } from './registry.ts';

/** files in one transaction that deletes: one that is named again meanwhile keeps the others of its transaction too. */
const FILES_A_DELETION = 20;

/** The texts of these files, those that are there, at the latest revision; a text never changes under its name. */
export async function readFiles(
  registry: Registry,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const all = [...new Set(names)];
  const texts = new Map<string, string>();
  for (let from = 0; from < all.length; from += TXN_OPERATIONS_MAX) {
    const some = all.slice(from, from + TXN_OPERATIONS_MAX);
    const gets: readonly Operation[] = some.map((sha256) => ({
      kind: 'get',
      key: registry.keys.file(sha256),
    }));
    const result = await registry.kv.txn({ then: gets }, signal);
    for (const [index, sha256] of some.entries()) {
      const kv = result.gets[index];
      if (kv !== undefined) texts.set(sha256, kv.value);
    }
  }
  return texts;
}

/**
 * Deletes the files that nothing names now and that were not put after `before`; none where a record that may name one cannot be read, or where
 * the fence does not hold any more. Answers how many.
 */
export async function collectFiles(
  registry: Registry,
  { before, fence }: { readonly before: Revision; readonly fence: Fence },
  signal: AbortSignal,
): Promise<number> {
  const files = new Map<string, Revision>();
  let revision: Revision | undefined;
  const options = { limit: RANGE_PAGE_KEYS, keysOnly: true };
  for await (const page of pagesOf(registry, registry.keys.files, options, signal)) {
    revision = page.revision;
    for (const { key, modRevision } of page.kvs)
      if (modRevision <= before) files.set(key, modRevision);
  }
  if (revision === undefined || files.size === 0) return 0;
  const named = await namedFiles(registry, revision, signal);
  if (named === 'unreadable') return 0;
  for (const key of named) files.delete(key);
  const old = [...files];
  let deleted = 0;
  for (let from = 0; from < old.length; from += FILES_A_DELETION) {
    const some = old.slice(from, from + FILES_A_DELETION);
    const result = await registry.kv.txn(
      {
        compares: [
          { key: fence.key, target: 'create', equals: fence.createRevision },
          ...some.map(([key, mod]) => ({ key, target: 'mod', equals: mod }) as const),
        ],
        then: some.map(([key]) => ({ kind: 'delete', key })),
      },
      signal,
    );
    // Where one of them is wanted again, all are looked at anew the next time.
    if (result.succeeded) deleted += some.length;
  }
  return deleted;
}

/** The keys of all files that a record names at `revision`. */
async function namedFiles(
  registry: Registry,
  revision: Revision,
  signal: AbortSignal,
): Promise<ReadonlySet<string> | 'unreadable'> {
  const { keys } = registry;
  const named = new Set<string>();
  const kinds = [
    ['unit', keys.units],
    ['global', keys.globals],
    ['assignment', keys.schedules],
  ] as const;
  for (const [kind, prefix] of kinds) {
    const options = { limit: RANGE_PAGE_KEYS, revision };
    for await (const page of pagesOf(registry, prefix, options, signal)) {
      for (const kv of page.kvs) {
        const record = readRecord(registry, kind, kv);
        if (record === undefined) return 'unreadable';
        named.add(keys.file(record.sha256));
      }
    }
  }
  return named;
}
