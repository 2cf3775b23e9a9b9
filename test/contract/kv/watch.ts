// What a watch tells: every event below the prefix, once, in order, a batch a revision; and how it ends.
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isFleetError } from '../../../src/model/errors.ts';
import type { WatchBatch } from '../../../src/store/kv.ts';
import { eventually } from '../../support/eventually.ts';
import type { MakeSubject } from './subject.ts';
import {
  collect,
  expectCode,
  freshPrefix,
  line,
  never,
  put,
  revisionOf,
  sharedSubject,
  write,
} from './subject.ts';

/** The part of the contract about watching. */
export function describeWatch(makeSubject: MakeSubject): void {
  describe('watch', () => {
    const { kv, second } = sharedSubject(makeSubject);

    it('tells all since an old revision, a batch a revision, and what comes then', async () => {
      const p = freshPrefix();
      await write(kv(), put(`${p}before`));
      const from = await write(kv(), put(`${p}a`, '1'), put(`${p}b`, '1'));
      await write(kv(), put(`other${p}`));
      await write(kv(), { kind: 'delete', key: `${p}a` }, put(`${p}c`, '2'));
      let more: Promise<bigint> | undefined;
      const batches = await collect(kv(), { prefix: p, from }, (seen) => {
        if (seen.length === 2) more ??= write(second(), put(`${p}d`, '3'));
        return seen.length === 3;
      });
      await more;
      expect(batches.map((batch) => line(batch, p))).toEqual([
        `${from}: +a=1 +b=1`,
        `${from + 2n}: -a +c=2`,
        `${from + 3n}: +d=3`,
      ]);
    });

    it('tells the whole record of a put and the revision of a delete', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      await write(kv(), put(`${p}a`, '2'));
      await write(kv(), { kind: 'delete', key: `${p}a` });
      const batches = await collect(kv(), { prefix: p, from }, (seen) => seen.length === 3);
      expect(batches[1]).toEqual({
        revision: from + 1n,
        events: [
          {
            kind: 'put',
            kv: { key: `${p}a`, value: '2', createRevision: from, modRevision: from + 1n },
          },
        ],
      });
      expect(batches[2]).toEqual({
        revision: from + 2n,
        events: [{ kind: 'delete', key: `${p}a`, modRevision: from + 2n }],
      });
    });

    it('from the next revision on, waits for it', async () => {
      const p = freshPrefix();
      const now = await write(kv(), put(`${p}old`));
      const seen = collect(kv(), { prefix: p, from: now + 1n }, (batches) => batches.length === 1);
      const revision = await write(second(), put(`${p}new`, '1'));
      expect((await seen).map((batch) => line(batch, p))).toEqual([`${revision}: +new=1`]);
    });

    it('from a revision further ahead, tells nothing below it (or says STORE_REVERTED)', async () => {
      const p = freshPrefix();
      const from = (await revisionOf(kv())) + 3n;
      const seen = collect(kv(), { prefix: p, from }, (batches) => batches.length === 1).then(
        (batches) => batches.map((batch) => line(batch, p)),
        (error: unknown) => {
          if (!isFleetError(error, 'STORE_REVERTED')) throw error;
          return 'reverted';
        },
      );
      for (let n = 0; n < 4; n += 1) await write(second(), put(`${p}${n}`, '1'));
      expect([['reverted'], [`${from}: +2=1`]]).toContainEqual([await seen].flat());
    });

    it('is complete and in order under concurrent writers', async () => {
      const p = freshPrefix();
      const from = (await revisionOf(kv())) + 1n;
      const total = 6 * 60;
      const watches = [kv(), kv(), second()].map((client) =>
        collect(client, { prefix: p, from }, (seen) => seen.length === total),
      );
      const written = await Promise.all(
        Array.from({ length: 6 }, async (_, writer) => {
          const revisions: bigint[] = [];
          for (let n = 0; n < 60; n += 1) {
            const client = writer % 2 === 0 ? kv() : second();
            revisions.push(
              await write(
                client,
                put(`${p}${writer}`, `${n}`),
                put(`${p}shared`, `${writer}-${n}`),
              ),
            );
          }
          return revisions;
        }),
      );
      const revisions = written.flat().sort((a, b) => (a < b ? -1 : 1));
      const late = collect(second(), { prefix: p, from }, (seen) => seen.length === total);
      const [first, ...others] = await Promise.all([...watches, late]);
      expect(first.map((batch) => batch.revision)).toEqual(revisions);
      expect(first.every((batch) => batch.events.length === 2)).toBe(true);
      for (const other of others) expect(other).toEqual(first);
      const { kvs } = await kv().range(p, {}, never);
      expect(replay(first)).toEqual(new Map(kvs.map((x) => [x.key, x])));
    });

    it('tells a txn of 100 operations and nearly 1 MiB in one batch', async () => {
      const p = freshPrefix();
      const operations = Array.from({ length: 100 }, (_, n) =>
        put(`${p}${String(n).padStart(3, '0')}`, 'x'.repeat(10_000)),
      );
      const from = await write(kv(), ...operations);
      const [batch] = await collect(kv(), { prefix: p, from }, () => true);
      expect(batch!.events.map((e) => (e.kind === 'put' ? e.kv.key : ''))).toEqual(
        operations.map(({ key }) => key),
      );
    });

    it('loses nothing when its reader is slow', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, 'first'));
      const revisions: bigint[] = [];
      for await (const batch of kv().watch(p, from, AbortSignal.timeout(10_000))) {
        revisions.push(batch.revision);
        // Behind the first batch lie 300 more before the second is asked for.
        if (revisions.length === 1)
          for (let n = 0; n < 300; n += 1) await write(second(), put(`${p}a`, `${n}`));
        if (revisions.length === 301) break;
      }
      expect(revisions).toEqual(revisions.map((_, n) => from + BigInt(n)));
      expect(revisions.length).toBe(301);
    });

    it('tells a key that is deleted and made again as both', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      await write(kv(), { kind: 'delete', key: `${p}a` });
      await write(kv(), put(`${p}a`, '2'));
      const batches = await collect(kv(), { prefix: p, from }, (seen) => seen.length === 3);
      expect(batches.map((batch) => line(batch, p))).toEqual([
        `${from}: +a=1`,
        `${from + 1n}: -a`,
        `${from + 2n}: +a=2`,
      ]);
    });

    it('tells the keys that end with a lease', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(60, never);
      const from = await write(kv(), put(`${p}a`, '', lease), put(`${p}b`, '', lease));
      await kv().revokeLease(lease, never);
      const batches = await collect(kv(), { prefix: p, from }, (seen) => seen.length === 2);
      expect(line(batches[1]!, p)).toBe(`${from + 1n}: -a -b`);
    });

    it('throws STORE_COMPACTED when its first revision is gone', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      await write(kv(), put(`${p}a`, '2'));
      const now = await write(kv(), put(`${p}a`, '3'));
      await kv().compact(now, never);
      await expectCode(
        collect(kv(), { prefix: p, from }, () => true),
        'STORE_COMPACTED',
      );
    });

    it('goes on through a compaction when it has kept up', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      let then: Promise<unknown> | undefined;
      const batches = await collect(kv(), { prefix: p, from }, (seen) => {
        then ??= (async () => {
          const now = await write(second(), put(`other${p}`));
          await second().compact(now, never);
          await write(second(), put(`${p}a`, '2'));
        })();
        return seen.length === 2;
      });
      await then;
      expect(batches.map((batch) => line(batch, p))).toEqual([
        `${from}: +a=1`,
        `${from + 2n}: +a=2`,
      ]);
    });

    it('ends quietly when it is aborted, before, while it waits and between two batches', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      expect(await drain(kv().watch(p, from, AbortSignal.abort()))).toBe(0);
      expect(await drain(kv().watch(p, from + 1n, AbortSignal.timeout(50)))).toBe(0);
      const controller = new AbortController();
      let seen = 0;
      for await (const _ of kv().watch(p, from, controller.signal)) {
        seen += 1;
        controller.abort(new Error('stop'));
      }
      expect(seen).toBe(1);
    });

    it('leaves no listener on the signal, however it ends', async () => {
      const p = freshPrefix();
      const from = await write(kv(), put(`${p}a`, '1'));
      await write(kv(), put(`${p}a`, '2'));
      const { signal } = new AbortController();
      for (let n = 0; n < 20; n += 1) {
        for await (const _ of kv().watch(p, from, signal)) break;
      }
      await kv().compact(from + 1n, never);
      await write(kv(), put(`${p}a`, '3'));
      await kv().compact(from + 2n, never);
      await expectCode(drain(kv().watch(p, from, signal)), 'STORE_COMPACTED');
      await eventually(() => getEventListeners(signal, 'abort').length === 0);
    });
  });
}

/** Reads to the end, and answers how many batches there were. */
async function drain(watch: AsyncIterable<WatchBatch>): Promise<number> {
  let count = 0;
  for await (const _ of watch) count += 1;
  return count;
}

function replay(batches: readonly WatchBatch[]): Map<string, unknown> {
  const map = new Map<string, unknown>();
  for (const event of batches.flatMap((batch) => batch.events)) {
    if (event.kind === 'put') map.set(event.kv.key, event.kv);
    else map.delete(event.key);
  }
  return map;
}
