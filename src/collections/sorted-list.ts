// A sorted list that changes one item at a time: chunks of bounded length, so that insertion and removal move little.
// Invariant: items are in the order of `compare`, no two compare as equal, and no chunk is empty.

/** Most items of one chunk: about as many as memory moves for the price of a look-up. */
const CHUNK_MAX = 256;

export class SortedList<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #chunks: T[][] = [];
  #size = 0;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds `item`; answers false when an equal one is there already. */
  add(item: T): boolean {
    const at = this.#chunkFor(item);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      this.#size = 1;
      return true;
    }
    const index = this.#indexIn(chunk, item);
    const there = chunk[index];
    if (there !== undefined && this.#compare(there, item) === 0) return false;
    chunk.splice(index, 0, item);
    this.#size += 1;
    // A list that is filled in order leaves full chunks behind instead of halves.
    if (chunk.length > CHUNK_MAX) {
      const keep =
        at === this.#chunks.length - 1 && index === CHUNK_MAX ? CHUNK_MAX : CHUNK_MAX / 2;
      this.#chunks.splice(at + 1, 0, chunk.splice(keep));
    }
    return true;
  }

  /** Removes what is equal to `item`; answers whether it was there. */
  delete(item: T): boolean {
    const at = this.#chunkFor(item);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return false;
    const index = this.#indexIn(chunk, item);
    const there = chunk[index];
    if (there === undefined || this.#compare(there, item) !== 0) return false;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#size -= 1;
    return true;
  }

  /** All items in order; the list must not change meanwhile. */
  *[Symbol.iterator](): IteratorObject<T, undefined> {
    for (const chunk of this.#chunks) yield* chunk;
  }

  /** The last chunk that begins at or before `item`, or the first. */
  #chunkFor(item: T): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && this.#compare(first, item) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Where `item` is or belongs in the chunk. */
  #indexIn(chunk: readonly T[], item: T): number {
    let low = 0;
    let high = chunk.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const there = chunk[middle];
      if (there !== undefined && this.#compare(there, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
