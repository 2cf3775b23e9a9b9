// A mirror's listing: read in pages of one revision, and compared with what was known.
// Invariant: neither changes what the reader of the mirror sees, and neither holds the event loop for longer than a slice.
import type { KeyValue, Kv, RangeOptions, Revision } from './kv.ts';
import { OrderedMap } from '../collections/ordered-map.ts';
import type { Slices } from './slices.ts';

/** Entries compared between two looks at the clock. */
const STEP_KEYS = 500;

/** A key that is new, changed, or gone (`kv` is undefined). */
export interface Change {
  readonly key: string;
  readonly kv: KeyValue | undefined;
}

/** Reads all keys below `prefix` at one revision; any failure throws, so that what is answered is complete. */
export async function readListing(
  kv: Kv,
  { prefix, limit }: { prefix: string; limit: number },
  slices: Slices,
): Promise<{ map: OrderedMap<KeyValue>; revision: Revision }> {
  const map = new OrderedMap<KeyValue>();
  let options: RangeOptions = { limit };
  for (;;) {
    const page = await kv.range(prefix, options, slices.signal);
    for (const record of page.kvs) map.set(record.key, record);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { map, revision: page.revision };
    options = { limit, revision: page.revision, after: last.key };
    await slices.breathe();
  }
}

/** What must change for `known` to become `listed`. Values count too: a restored store may say other things at the same revision. */
export async function compareListing(
  known: OrderedMap<KeyValue>,
  listed: OrderedMap<KeyValue>,
  slices: Slices,
): Promise<OrderedMap<Change>> {
  const changes = new OrderedMap<Change>();
  await walkInSteps(listed, slices, (key, kv) => {
    const before = known.get(key);
    if (
      before === undefined ||
      before.modRevision !== kv.modRevision ||
      before.createRevision !== kv.createRevision ||
      before.value !== kv.value
    )
      changes.set(key, { key, kv });
  });
  await walkInSteps(known, slices, (key) => {
    if (listed.get(key) === undefined) changes.set(key, { key, kv: undefined });
  });
  return changes;
}

async function walkInSteps(
  map: OrderedMap<KeyValue>,
  slices: Slices,
  visit: (key: string, kv: KeyValue) => void,
): Promise<void> {
  let start: string | undefined = '';
  while (start !== undefined) {
    let left = STEP_KEYS;
    let next: string | undefined;
    map.walk(start, (key, kv) => {
      if (left === 0) {
        next = key;
        return false;
      }
      left -= 1;
      visit(key, kv);
      return true;
    });
    start = next;
    await slices.breathe();
  }
}
