// How calls end that are not let run: aborted signals, and close().
import { describe, expect, it } from 'vitest';
import { isFleetError } from '../../../src/model/errors.ts';
import type { Kv } from '../../../src/store/kv.ts';
import type { MakeSubject } from './subject.ts';
import {
  expectCode,
  freshPrefix,
  never,
  put,
  revisionOf,
  sharedSubject,
  write,
} from './subject.ts';

type Call = Readonly<{ name: string; call: (kv: Kv, signal: AbortSignal) => Promise<unknown> }>;

const calls: readonly Call[] = [
  { name: 'range', call: (kv, signal) => kv.range('/contract/', {}, signal) },
  { name: 'txn', call: (kv, signal) => kv.txn({ then: [put('/contract/aborted')] }, signal) },
  { name: 'grantLease', call: (kv, signal) => kv.grantLease(60, signal) },
  { name: 'renewLease', call: (kv, signal) => kv.renewLease('1', signal) },
  { name: 'revokeLease', call: (kv, signal) => kv.revokeLease('1', signal) },
  { name: 'compact', call: (kv, signal) => kv.compact(1n, signal) },
];

/** The part of the contract about aborting and closing. */
export function describeEnd(makeSubject: MakeSubject): void {
  describe('abort', () => {
    const { kv } = sharedSubject(makeSubject);

    it.for(calls)('$name rejects with the reason of its signal', async ({ call }) => {
      const before = await revisionOf(kv());
      const reason = new Error('enough');
      await expect(call(kv(), AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(await revisionOf(kv())).toBe(before);
    });

    it.for(calls)('$name ends at once when aborted on the way', async ({ call }) => {
      const reason = new Error('enough');
      const controller = new AbortController();
      const ended = call(kv(), controller.signal).catch((error: unknown) => error);
      controller.abort(reason);
      const outcome = await ended;
      // It may have been done already; otherwise the reason, or its own expected failure.
      if (outcome instanceof Error && !isFleetError(outcome)) expect(outcome).toBe(reason);
    });
  });

  describe('close', () => {
    it('settles everything that is pending', async () => {
      const subject = await makeSubject();
      const p = freshPrefix();
      const from = await write(subject.kv, put(`${p}a`));
      const watch = subject.kv.watch(p, from, never)[Symbol.asyncIterator]();
      expect((await watch.next()).done).toBe(false);
      const waiting = watch.next().then(
        () => undefined,
        (error: unknown) => error,
      );
      const writes = Array.from({ length: 20 }, (_, n) => write(subject.kv, put(`${p}${n}`)));
      const settled = Promise.allSettled(writes);
      await subject.kv.close();
      for (const result of await settled) {
        if (result.status === 'rejected')
          expect(isFleetError(result.reason, 'STORE_UNAVAILABLE')).toBe(true);
      }
      const end = await waiting;
      if (end !== undefined)
        expect(isFleetError(end, 'STORE_WATCH_LOST', 'STORE_UNAVAILABLE')).toBe(true);
      await subject.close();
    });

    it('lets later calls fail with STORE_UNAVAILABLE, and may be called twice', async () => {
      const subject = await makeSubject();
      await subject.kv.close();
      for (const { call } of calls) await expectCode(call(subject.kv, never), 'STORE_UNAVAILABLE');
      const watch = subject.kv.watch('/contract/', 1n, never)[Symbol.asyncIterator]();
      await expect(watch.next()).rejects.toSatisfy((error) =>
        isFleetError(error, 'STORE_WATCH_LOST', 'STORE_UNAVAILABLE'),
      );
      await subject.kv.close();
      await subject.close();
    });
  });
}
