// Ranges of the same keys that several callers ask for at the same moment: they share a request.
// Invariant: an answer is of a read that began behind the call.
import type { Kv, RangeOptions, RangeResult } from '../kv.ts';

/** A read, and who waits for it. */
interface Shared {
  readonly settled: PromiseWithResolvers<RangeResult>;
  readonly everyoneLeft: AbortController;
  waiting: number;
}

/** `range` is Kv.range, shared. */
export class SharedRanges {
  readonly #read: Kv['range'];
  /** By keys and options, while a read of them is under way: the one that those who come meanwhile wait for, if there are any. */
  readonly #next = new Map<string, Shared | undefined>();

  constructor(read: Kv['range']) {
    this.#read = read;
  }

  readonly range: Kv['range'] = async (prefix, options, signal) => {
    signal.throwIfAborted();
    const { limit, after, keysOnly, revision } = options;
    const key = JSON.stringify([prefix, limit, after, keysOnly, revision?.toString()]);
    const isUnderWay = this.#next.has(key);
    const next = this.#next.get(key);
    const shared = next === undefined || next.waiting === 0 ? newShared() : next;
    this.#next.set(key, isUnderWay ? shared : undefined);
    if (!isUnderWay) void this.#carryOut({ key, prefix, options }, shared);
    return await joined(shared, signal);
  };

  /** Reads for these, and then for those that came meanwhile. */
  async #carryOut(
    asked: Readonly<{ key: string; prefix: string; options: RangeOptions }>,
    first: Shared,
  ): Promise<void> {
    for (let shared: Shared | undefined = first; shared !== undefined;) {
      const { settled, everyoneLeft } = shared;
      try {
        settled.resolve(await this.#read(asked.prefix, asked.options, everyoneLeft.signal));
      } catch (error) {
        settled.reject(error);
      }
      shared = this.#next.get(asked.key);
      if (shared === undefined) this.#next.delete(asked.key);
      else this.#next.set(asked.key, undefined);
    }
  }
}

function newShared(): Shared {
  const settled = Promise.withResolvers<RangeResult>();
  settled.promise.catch(() => undefined); // all that waited may have left
  return { settled, everyoneLeft: new AbortController(), waiting: 0 };
}

/** The answer, or the reason of `signal`; the last one to leave ends the read. */
async function joined(shared: Shared, signal: AbortSignal): Promise<RangeResult> {
  const { settled, everyoneLeft } = shared;
  shared.waiting += 1;
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(signal.reason as Error);
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([settled.promise, left.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
    shared.waiting -= 1;
    if (shared.waiting === 0) everyoneLeft.abort(new Error('nobody waits for it any more'));
  }
}
