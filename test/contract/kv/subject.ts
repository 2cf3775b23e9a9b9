// What the contract tests share: the store under test, names for keys that no other test uses, and short words for common calls.
import { afterAll, beforeAll, expect } from 'vitest';
import type { ErrorCode } from '../../../src/model/errors.ts';
import { isFleetError } from '../../../src/model/errors.ts';
import type {
  KeyValue,
  Kv,
  LeaseId,
  Operation,
  Revision,
  WatchBatch,
} from '../../../src/store/kv.ts';
import { withChildSignal } from '../../../src/runtime/abort.ts';

/** A store to be held to the contract: `second` answers another client of the same data. */
export interface Subject {
  readonly kv: Kv;
  second(): Promise<Kv>;
  close(): Promise<void>;
}

/** Starts an empty store. */
export type MakeSubject = () => Promise<Subject>;

/** Two clients of one store. */
export function twoClients(kv: Kv, second: Kv): Subject {
  return {
    kv,
    second: () => Promise.resolve(second),
    async close() {
      await kv.close();
      await second.close();
    },
  };
}

/** Never aborts. */
export const never = new AbortController().signal;

/** One store for the tests of a block: each test keeps to the keys below its own prefix. */
export function sharedSubject(makeSubject: MakeSubject): { kv: () => Kv; second: () => Kv } {
  let subject: Subject | undefined;
  let second: Kv | undefined;
  beforeAll(async () => {
    subject = await makeSubject();
    second = await subject.second();
  });
  afterAll(async () => {
    await subject?.close();
  });
  return { kv: () => subject!.kv, second: () => second! };
}

let prefixes = 0;
/** A prefix that no other test uses. */
export function freshPrefix(): string {
  prefixes += 1;
  return `/contract/${process.pid}-${prefixes}/`;
}

/** A put, for the branches of a txn. */
export function put(key: string, value = '', lease?: LeaseId): Operation {
  return lease === undefined ? { kind: 'put', key, value } : { kind: 'put', key, value, lease };
}

/** Writes without compares and answers the revision. */
export async function write(kv: Kv, ...then: readonly Operation[]): Promise<Revision> {
  const { succeeded, revision } = await kv.txn({ then }, never);
  expect(succeeded).toBe(true);
  return revision;
}

/** The one key, or undefined. */
export async function read(kv: Kv, key: string): Promise<KeyValue | undefined> {
  return (await kv.txn({ then: [{ kind: 'get', key }] }, never)).gets[0];
}

/** The keys below `prefix`, without it. */
export async function keysBelow(kv: Kv, prefix: string): Promise<string[]> {
  const { kvs } = await kv.range(prefix, {}, never);
  return kvs.map(({ key }) => key.slice(prefix.length));
}

/** The store's revision now. */
export async function revisionOf(kv: Kv): Promise<Revision> {
  return (await kv.range('/contract/none/', {}, never)).revision;
}

/** Expects the expected failure `code`. */
export async function expectCode(pending: Promise<unknown>, code: ErrorCode): Promise<void> {
  const error: unknown = await pending.then(
    () => new Error('it did not fail'),
    (failure: unknown) => failure,
  );
  if (!isFleetError(error, code)) throw new Error(`expected ${code}`, { cause: error });
}

/** Watches until `enough` says so of the batches seen so far; fails after ten seconds. */
export async function collect(
  kv: Kv,
  { prefix, from }: { prefix: string; from: Revision },
  enough: (batches: readonly WatchBatch[]) => boolean,
): Promise<WatchBatch[]> {
  const batches: WatchBatch[] = [];
  await withChildSignal(AbortSignal.timeout(10_000), async (signal) => {
    for await (const batch of kv.watch(prefix, from, signal)) {
      batches.push(batch);
      if (enough(batches)) break;
    }
  });
  expect(enough(batches), 'the watch ended early').toBe(true);
  return batches;
}

/** A batch in one line: `5: +a=1 -b`. */
export function line({ revision, events }: WatchBatch, prefix: string): string {
  const words = events.map((event) =>
    event.kind === 'put'
      ? `+${event.kv.key.slice(prefix.length)}=${event.kv.value}`
      : `-${event.key.slice(prefix.length)}`,
  );
  return `${revision}: ${words.join(' ')}`;
}
