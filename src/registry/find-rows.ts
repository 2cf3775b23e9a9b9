// Many keys of one prefix at one revision. They lie side by side more often than not, so they are read in ranges.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { KeyValue, Revision } from '../store/kv.ts';
import type { Registry } from './registry.ts';

/** What one range says of the keys in it, also of those that are not there. */
export interface Stretch extends Where {
  readonly kvs: readonly KeyValue[];
  /** Keys of the prefix follow. */
  readonly more: boolean;
}

interface Where {
  readonly prefix: string;
  readonly revision: Revision;
  /** It begins behind this key; undefined: at the first of the prefix. */
  readonly after: string | undefined;
}

/** Reads up to `limit` keys. */
export async function readStretch(
  { kv }: Registry,
  where: Where,
  limit: number,
  signal: AbortSignal,
): Promise<Stretch> {
  const { prefix, revision, after } = where;
  const options = { limit, revision, ...(after === undefined ? {} : { after }) };
  const { kvs, more } = await kv.range(prefix, options, signal);
  return { ...where, kvs, more };
}

/** Those of `wanted`, in order of key, that are there. What `known` does not say is read, and what lies between is skipped. */
export async function findRows(
  registry: Registry,
  wanted: readonly string[],
  known: Stretch,
  signal: AbortSignal,
): Promise<readonly KeyValue[]> {
  const rows: KeyValue[] = [];
  let stretch = known;
  let at = 0; // in `stretch.kvs`, which is in order of key too
  for (const [index, key] of wanted.entries()) {
    if (!says(stretch, key)) {
      const limit = Math.min(wanted.length - index, RANGE_PAGE_KEYS);
      stretch = await readStretch(registry, { ...known, after: keyBefore(key) }, limit, signal);
      at = 0;
    }
    let row = stretch.kvs[at];
    while (row !== undefined && row.key < key) row = stretch.kvs[(at += 1)];
    if (row?.key === key) rows.push(row);
  }
  return rows;
}

/** Whether it says that there is such a key, or none. */
function says({ after, kvs, more }: Stretch, key: string): boolean {
  if (after !== undefined && key <= after) return false;
  return !more || key <= (kvs.at(-1)?.key ?? '');
}

/** A key such that a range behind it begins with `key`: unit names and ids are ASCII, so nothing lies between. */
function keyBefore(key: string): string {
  return `${key.slice(0, -1)}${String.fromCharCode(key.charCodeAt(key.length - 1) - 1)}\x7f`;
}
