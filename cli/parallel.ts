// Many requests, some at a time.

/** requests under way at once: 500 units are not 500 connections. */
const REQUESTS_MAX = 32;

/** The results of `call` in the order of `items`, at most `atOnce` under way; the first failure rejects. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  call: (item: Item) => Promise<Result>,
  atOnce = REQUESTS_MAX,
): Promise<Result[]> {
  const results: Result[] = [];
  const entries = items.entries();
  const worker = async (): Promise<void> => {
    for (const [i, item] of entries) results[i] = await call(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
