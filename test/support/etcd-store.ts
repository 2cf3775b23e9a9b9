// Short words for tests of the store on real etcd.
import { systemClock } from '../../src/runtime/clock.ts';
import { FleetError } from '../../src/model/errors.ts';
import { openEtcdStore, type EtcdStoreOptions } from '../../src/store/etcd/open.ts';
import type { EtcdStore } from '../../src/store/etcd/store.ts';
import type { Kv, Revision, WatchBatch } from '../../src/store/kv.ts';

/** Never aborts. */
export const never = new AbortController().signal;

/** Opens a store on these endpoints that begins with the first of them, and closes it at the end of the scope. */
export async function openStore(
  endpoints: readonly string[],
  overrides: Partial<EtcdStoreOptions> = {},
): Promise<EtcdStore & AsyncDisposable> {
  let first = true;
  const random = (): number => {
    if (!first) return Math.random();
    first = false;
    return 0;
  };
  const kv = await openEtcdStore({
    endpoints,
    requestTimeoutMs: 1000,
    clock: systemClock,
    random,
    ...overrides,
  });
  return Object.assign(kv, { [Symbol.asyncDispose]: () => kv.close() });
}

/** Puts `values` below `prefix`, many at a time, each in a revision of its own; answers the first revision. */
export async function putMany(
  kv: Kv,
  { prefix, count, value }: { prefix: string; count: number; value: string },
): Promise<Revision> {
  const revisions: Revision[] = [];
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) {
      const key = `${prefix}${next++}`;
      revisions.push((await kv.txn({ then: [{ kind: 'put', key, value }] }, never)).revision);
    }
  };
  await Promise.all(Array.from({ length: 64 }, writer));
  return revisions.reduce((least, revision) => (revision < least ? revision : least));
}

/** The store's revision by a linearizable read. */
export async function revisionOf(kv: Kv): Promise<Revision> {
  return (await kv.range('no-such-key', {}, never)).revision;
}

/** Reads a watch in the background: what it told so far, and how it ended. */
export class Reader {
  readonly batches: WatchBatch[] = [];
  readonly ended: Promise<unknown>;
  error: unknown;
  readonly #stop = new AbortController();

  constructor(kv: Kv, prefix: string, from: Revision) {
    this.ended = this.#read(kv.watch(prefix, from, this.#stop.signal));
  }

  get events(): number {
    return this.batches.reduce((sum, { events }) => sum + events.length, 0);
  }

  /** The code of the error that ended it; undefined while it goes on. */
  get code(): string | undefined {
    return this.error instanceof FleetError ? this.error.code : (this.error as string | undefined);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }

  async #read(watch: AsyncIterable<WatchBatch>): Promise<void> {
    try {
      for await (const batch of watch) this.batches.push(batch);
      this.error ??= 'ended without an error';
    } catch (error) {
      this.error = error;
    }
  }
}

/** The failure of `pending`, and how long it took. */
export async function failureOf(
  pending: Promise<unknown>,
): Promise<{ code: string; details: Readonly<Record<string, unknown>>; tookMs: number }> {
  const started = performance.now();
  try {
    const value = await pending;
    return {
      code: `no failure: ${JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`,
      details: {},
      tookMs: performance.now() - started,
    };
  } catch (error) {
    if (!(error instanceof FleetError)) throw error;
    return { code: error.code, details: error.details, tookMs: performance.now() - started };
  }
}
