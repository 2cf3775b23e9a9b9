// A watch that lives and tells nothing. The clock runs 20 times as fast; its seconds are meant here.
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/runtime/clock.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openStore, Reader, revisionOf } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { startSilentEtcd } from '../support/silent-etcd.ts';

const speed = 20;
const fastClock: Clock = {
  now: () => systemClock.now() * speed,
  bootMs: () => systemClock.bootMs() * speed,
  wallNow: () => systemClock.wallNow(),
  sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
};
const options = { clock: fastClock, requestTimeoutMs: 5000 };

describe('a silent watch', () => {
  it('that answers when it is asked every 10 s goes on', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    const started = fastClock.now();
    const reader = new Reader(kv, '/s/', 11n);
    await eventually(() => etcd.asked === 4);
    const tookMs = fastClock.now() - started;
    expect(tookMs).toBeGreaterThan(40_000);
    expect(tookMs).toBeLessThan(50_000);
    expect(reader.code).toBeUndefined();
    await reader.stop();
  });

  // Difference: member.ts, `#shared`: a stream each would be asked for each.
  it('is asked together with the others of its process: they share one stream', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    const started = fastClock.now();
    const readers = Array.from({ length: 5 }, (_, n) => new Reader(kv, `/${n}/`, 11n));
    await eventually(() => etcd.asked === 3);
    expect(fastClock.now() - started).toBeGreaterThan(30_000);
    expect(etcd.streams).toBe(1);
    await readers[0]!.stop();
    await eventually(() => etcd.asked === 4);
    expect(readers.map(({ code }) => code)).toEqual(['ended without an error', ...noCodes(4)]);
    await Promise.all(readers.slice(1).map((reader) => reader.stop()));
    const late = new Reader(kv, '/late/', 11n);
    await eventually(() => etcd.streams === 2);
    await late.stop();
  });

  // Difference: watch.ts, `retire`, for the second stream; `#openedAt`: the stream lives, and that watch would be believed in for ever.
  it('that was never made ends after 5 s, and those that were made go on', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    const made = new Reader(kv, '/made/', 11n);
    etcd.ignoredKey = '/not/';
    const notMade = new Reader(kv, '/not/', 11n);
    await eventually(() => notMade.code === 'STORE_WATCH_LOST');
    await eventually(() => etcd.asked >= 2);
    expect(made.code).toBeUndefined();
    const next = new Reader(kv, '/next/', 11n);
    await eventually(() => etcd.streams === 2);
    await Promise.all([made.stop(), next.stop()]);
  });

  // Difference: watch.ts, `#confirmLoss`.
  it('that does not answer within 5 s ends with STORE_WATCH_LOST when a read is answered', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    etcd.answersProgress = false;
    const started = fastClock.now();
    const reader = new Reader(kv, '/s/', 11n);
    await eventually(() => reader.code === 'STORE_WATCH_LOST');
    const tookMs = fastClock.now() - started;
    expect(tookMs).toBeGreaterThan(15_000);
    expect(tookMs).toBeLessThan(20_000);
  });

  // Difference: watch.ts, `if (alive)`: ending it would make every client list again at the moment when etcd comes back.
  it('that does not answer is kept while reads are not answered either', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    etcd.answersProgress = false;
    etcd.answersReads = false;
    const reader = new Reader(kv, '/s/', 11n);
    await eventually(() => etcd.asked === 2);
    expect(reader.code).toBeUndefined();
    etcd.answersReads = true;
    await eventually(() => reader.code === 'STORE_WATCH_LOST');
  });

  // Difference: watch.ts, `#checkStart`.
  it('from a revision that the store has not reached ends with STORE_REVERTED', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    const reader = new Reader(kv, '/s/', 12n);
    await eventually(() => reader.code === 'STORE_REVERTED');
  });

  // Difference: watch.ts asks by a read before it says STORE_REVERTED, and gives no header of a watch to history.ts.
  it('on a member that lags behind what was seen is no reason for STORE_REVERTED', async () => {
    await using etcd = await startSilentEtcd();
    await using kv = await openStore([etcd.endpoint], options);
    await revisionOf(kv);
    etcd.watchRevision = '5';
    const reader = new Reader(kv, '/s/', 11n);
    await eventually(() => etcd.asked === 1);
    expect(reader.code).toBeUndefined();
    await reader.stop();
  });
});

function noCodes(count: number): readonly undefined[] {
  return Array.from({ length: count }, () => undefined);
}
