import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import type { MirrorEvent } from '../../../src/store/mirror.ts';
import { Mirror } from '../../../src/store/mirror.ts';
import { never, put, write } from '../../contract/kv/subject.ts';
import { FaultyKv, unavailable } from '../../support/faulty-kv.ts';
import { SimClock } from '../../support/sim-clock.ts';

const RELIST_MS = 600_000;

/** A mirror that runs over a store with faults, on a clock turned by hand. */
function world() {
  const clock = new SimClock();
  const store = new MemoryStore({ clock });
  const kv = new FaultyKv(store, clock);
  const events: MirrorEvent[] = [];
  const mirror = new Mirror({
    kv,
    prefix: '/c/',
    clock,
    random: () => 0.5,
    relistIntervalMs: RELIST_MS,
    log: (event) => events.push(event),
  });
  const stop = new AbortController();
  // The store needs no turn of the event loop: what a test writes before it first turns the clock is there before the mirror begins.
  const running = turn()
    .then(() => mirror.run(stop.signal))
    .catch((error: unknown) => error);
  const end = async (): Promise<void> => {
    const reason = new Error('end of test');
    stop.abort(reason);
    expect(await running).toBe(reason);
    await store.close();
    expect(clock.waiting).toBe(0);
    expect(store.watches).toBe(0);
  };
  const count = (kind: MirrorEvent['kind']): number =>
    events.filter((event) => event.kind === kind).length;
  return { clock, store, kv, mirror, events, count, end };
}

/** Changes as words: `+a=1 -b`. */
function words(mirror: Mirror): string {
  return [...mirror.takeChanges()]
    .map(({ key, kv }) => (kv === undefined ? `-${key.slice(3)}` : `+${key.slice(3)}=${kv.value}`))
    .join(' ');
}

const all = (mirror: Mirror): string =>
  mirror
    .entries('/c/')
    .map(({ key, value }) => `${key.slice(3)}=${value}`)
    .join(' ');

describe('Mirror', () => {
  it('lists, then follows, and says what changed once', async () => {
    const { clock, store, mirror, end } = world();
    expect(mirror.synced).toBe(false);
    await write(store, put('/c/a', '1'), put('/c/b', '1'), put('/d/x', '1'));
    await clock.advance(0);
    expect(mirror.synced).toBe(true);
    expect(words(mirror)).toBe('+a=1 +b=1');
    expect(words(mirror)).toBe('');
    await write(store, put('/c/a', '2'), { kind: 'delete', key: '/c/b' }, put('/c/c', '1'));
    const revision = await write(store, put('/c/c', '2'));
    await clock.advance(0);
    expect(words(mirror)).toBe('+a=2 -b +c=2');
    expect([all(mirror), mirror.size, mirror.revision]).toEqual(['a=2 c=2', 2, revision]);
    expect(mirror.get('/c/a')?.value).toBe('2');
    await end();
  });

  it('wakes its reader for the first listing, also of nothing, and for each change', async () => {
    const { clock, store, mirror, end } = world();
    const wakes: number[] = [];
    const stop = new AbortController();
    const reader = (async () => {
      for (;;) {
        await mirror.changed(stop.signal);
        wakes.push([...mirror.takeChanges()].length);
      }
    })().catch(() => undefined);
    await clock.advance(0);
    await write(store, put('/c/a'));
    await clock.advance(0);
    await write(store, put('/d/a'));
    await clock.advance(0);
    expect(wakes).toEqual([0, 1]);
    stop.abort();
    await reader;
    await end();
  });

  it('lists more than a page at one revision', async () => {
    const { clock, store, kv, mirror, end } = world();
    kv.faults.delayMs = 10;
    for (let n = 0; n < 25; n += 1)
      await write(store, ...Array.from({ length: 100 }, (_, i) => put(`/c/${n * 100 + i}`, '1')));
    await clock.advance(15);
    await write(store, put('/c/1', '2'), { kind: 'delete', key: '/c/999' });
    expect([mirror.size, mirror.synced]).toEqual([0, false]);
    await clock.advance(30);
    expect([mirror.size, mirror.synced]).toEqual([2499, true]);
    expect(mirror.get('/c/1')?.value).toBe('2');
    expect([...mirror.takeChanges()].length).toBe(2500);
    await end();
  });

  it('is not synced, and reports nothing, until a whole listing has succeeded', async () => {
    const { clock, store, kv, mirror, count, end } = world();
    for (let n = 0; n < 15; n += 1)
      await write(store, ...Array.from({ length: 100 }, (_, i) => put(`/c/${n * 100 + i}`)));
    kv.faults.rangeFailsAfterPages = 1;
    await clock.advance(60);
    expect([mirror.synced, mirror.size, words(mirror)]).toEqual([false, 0, '']);
    expect(count('failed')).toBe(1);
    kv.faults.rangeFailsAfterPages = undefined;
    await clock.advance(10_000);
    expect([mirror.synced, mirror.size]).toEqual([true, 1500]);
    await end();
  });

  it('keeps the old map while the store is away, and takes keys away only after a whole listing', async () => {
    const { clock, store, kv, mirror, end } = world();
    for (let n = 0; n < 15; n += 1)
      await write(store, ...Array.from({ length: 100 }, (_, i) => put(`/c/${n * 100 + i}`)));
    await clock.advance(0);
    expect([...mirror.takeChanges()].length).toBe(1500);
    kv.faults.rangeFailsAfterPages = 1;
    kv.cutWatches();
    await write(store, { kind: 'delete', key: '/c/0' }, put('/c/new'));
    for (let minute = 0; minute < 10; minute += 1) {
      await clock.advance(60_000);
      kv.faults.rangeFailsAfterPages = 1;
      expect([mirror.synced, mirror.size, words(mirror)]).toEqual([true, 1500, '']);
    }
    kv.faults.rangeFailsAfterPages = undefined;
    await clock.advance(5_000);
    expect(words(mirror)).toBe('-0 +new=');
    await end();
  });

  it('backs off with jitter up to a bound, and begins anew after a watch that lasted', async () => {
    const { clock, kv, events, end } = world();
    await clock.advance(6_000);
    kv.faults.fails = unavailable();
    kv.cutWatches();
    await clock.advance(60_000);
    const delays = events.flatMap((event) => (event.kind === 'failed' ? [event.delayMs] : []));
    expect(delays.slice(0, 7)).toEqual([150, 300, 600, 1200, 2400, 3750, 3750]);
    kv.faults.fails = undefined;
    await clock.advance(10_000);
    kv.cutWatches();
    await clock.advance(0);
    expect(events.at(-1)).toMatchObject({ kind: 'failed', attempt: 1 });
    await end();
  });

  it('finds what a cut watch has missed', async () => {
    const { clock, store, kv, mirror, end } = world();
    await write(store, put('/c/a', '1'), put('/c/b', '1'));
    await clock.advance(0);
    words(mirror);
    kv.cutWatches(new FleetError('STORE_COMPACTED', 'too slow'));
    await write(store, put('/c/a', '2'), { kind: 'delete', key: '/c/b' }, put('/c/c', '1'));
    await clock.advance(200);
    expect(words(mirror)).toBe('+a=2 -b +c=1');
    await end();
  });

  it('takes a batch that is told twice once', async () => {
    const { clock, store, kv, mirror, end } = world();
    kv.faults.duplicates = true;
    await clock.advance(0);
    await write(store, put('/c/a', '1'));
    await clock.advance(0);
    expect(words(mirror)).toBe('+a=1');
    await write(store, { kind: 'delete', key: '/c/a' });
    await write(store, put('/c/a', '2'));
    await clock.advance(0);
    expect(words(mirror)).toBe('+a=2');
    await end();
  });

  it('lists again at its interval in spite of a healthy watch, and finds that nothing changed', async () => {
    const { clock, store, mirror, count, end } = world();
    await write(store, put('/c/a', '1'));
    await clock.advance(RELIST_MS - 1);
    expect([count('listed'), words(mirror)]).toEqual([1, '+a=1']);
    await clock.advance(1);
    expect([count('listed'), count('failed'), words(mirror)]).toEqual([2, 0, '']);
    await write(store, put('/c/a', '2'));
    await clock.advance(0);
    expect(words(mirror)).toBe('+a=2');
    await end();
  });

  it('reports a store that was restored from a backup with what that changes', async () => {
    const { clock, store, kv, mirror, events, end } = world();
    const backup = new MemoryStore({ clock });
    await write(backup, put('/c/a', 'old'));
    for (let n = 0; n < 5; n += 1) await write(store, put('/c/a', `${n}`), put(`/c/${n}`, ''));
    await clock.advance(0);
    words(mirror);
    expect([mirror.takeRestored(), mirror.restored]).toEqual([false, 0]);
    kv.revertTo(backup);
    kv.cutWatches();
    await clock.advance(200);
    expect(mirror.takeRestored()).toBe(true);
    expect(mirror.takeRestored()).toBe(false);
    expect(mirror.restored).toBe(1);
    expect(words(mirror)).toBe('-0 -1 -2 -3 -4 +a=old');
    expect(events.find(({ kind }) => kind === 'restored')).toMatchObject({
      seen: 6n,
      revision: 2n,
    });
    await write(backup, put('/c/b', 'new'));
    await clock.advance(0);
    expect(words(mirror)).toBe('+b=new');
    await end();
    await backup.close();
  });

  it('believes a watch that says STORE_REVERTED, though the listing is ahead again', async () => {
    const { clock, store, kv, mirror, end } = world();
    await write(store, put('/c/a', '1'));
    await clock.advance(0);
    kv.cutWatches(new FleetError('STORE_REVERTED', 'went back'));
    await write(store, put('/c/b', '1'));
    await clock.advance(200);
    expect([mirror.restored, mirror.takeRestored()]).toEqual([1, true]);
    await end();
  });

  it('believes a store that says it went back, though its watch only broke and the listing is ahead again', async () => {
    const { clock, store, kv, mirror, end } = world();
    await write(store, put('/c/a', '1'));
    await clock.advance(0);
    kv.reversions = 1; // another call has found out
    kv.cutWatches();
    await write(store, put('/c/b', '1'));
    await clock.advance(200);
    expect([mirror.restored, mirror.takeRestored()]).toEqual([1, true]);
    kv.cutWatches();
    await clock.advance(200);
    expect(mirror.restored).toBe(1);
    await end();
  });

  it('takes nothing away that was not taken before, however listings and batches mix', async () => {
    const { clock, store, kv, mirror, end } = world();
    const model = new Map<string, string>();
    let seed = 11;
    const random = (below: number): number => (seed = (seed * 16_807) % 2_147_483_647) % below;
    for (let round = 0; round < 300; round += 1) {
      const key = `/c/${random(20)}`;
      await write(store, random(3) === 0 ? { kind: 'delete', key } : put(key, `${round}`));
      if (random(10) === 0) kv.cutWatches();
      if (random(10) === 0) kv.faults.fails = random(2) === 0 ? unavailable() : undefined;
      if (random(3) === 0) await clock.advance(random(300));
      if (random(3) !== 0) continue;
      for (const change of mirror.takeChanges()) {
        if (change.kv === undefined) model.delete(change.key);
        else model.set(change.key, change.kv.value);
      }
      expect(model).toEqual(new Map(mirror.entries('').map(({ key: k, value }) => [k, value])));
    }
    kv.faults.fails = undefined;
    await clock.advance(10_000);
    const { kvs } = await store.range('/c/', {}, never);
    expect(mirror.entries('').map(({ key, value }) => [key, value])).toEqual(
      kvs.map(({ key, value }) => [key, value]),
    );
    await end();
  });

  it('ends with an error that is no FleetError: that is a bug', async () => {
    const clock = new SimClock();
    const store = new MemoryStore({ clock });
    const bug = new TypeError('bug');
    store.range = () => Promise.reject(bug);
    const mirror = new Mirror({
      kv: store,
      prefix: '/',
      clock,
      random: () => 0,
      relistIntervalMs: RELIST_MS,
    });
    await expect(mirror.run(never)).rejects.toBe(bug);
    await store.close();
  });
});
