import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import type { LeaseEvent } from '../../../src/store/lease-keeper.ts';
import { LeaseKeeper } from '../../../src/store/lease-keeper.ts';
import { never, put, read, write } from '../../contract/kv/subject.ts';
import { FaultyKv, unavailable } from '../../support/faulty-kv.ts';
import { SimClock } from '../../support/sim-clock.ts';

const TTL_SEC = 30;
const TTL_MS = TTL_SEC * 1000;

/** A keeper over a store with faults, on a clock turned by hand that begins at 0. */
function world() {
  const clock = new SimClock({ now: 0 });
  const store = new MemoryStore({ clock });
  const kv = new FaultyKv(store, clock);
  const events: LeaseEvent[] = [];
  const log = (event: LeaseEvent): void => void events.push(event);
  const keeper = new LeaseKeeper({ kv, clock, ttlSec: TTL_SEC, random: () => 0.5, log });
  const stop = new AbortController();
  const end = async (running?: Promise<unknown>): Promise<void> => {
    stop.abort(new Error('end of test'));
    await running?.catch(() => undefined);
    await store.close();
    expect(clock.waiting).toBe(0);
  };
  return { clock, store, kv, keeper, events, signal: stop.signal, end };
}

/** Notes at which times `lost` is told. */
function noteLost(keeper: LeaseKeeper, clock: SimClock, signal: AbortSignal): number[] {
  const times: number[] = [];
  void (async () => {
    for (;;) {
      await keeper.lost.changed(signal);
      times.push(clock.now());
    }
  })().catch(() => undefined);
  return times;
}

describe('LeaseKeeper', () => {
  it('renews every third of the ttl, so that the lease lives on', async () => {
    const { clock, store, kv, keeper, signal, end } = world();
    const id = await keeper.acquire(signal);
    await write(store, put('/a', '', id));
    const running = keeper.run(signal);
    await clock.advance(10 * TTL_MS);
    expect(kv.calls.renewLease).toBe(30);
    expect(await read(store, '/a')).toBeDefined();
    expect([keeper.id, keeper.state]).toEqual([id, 'held']);
    expect(keeper.deadline()).toBe(clock.now() + TTL_MS);
    expect(keeper.answeredSince()).toBe(0);
    await end(running);
  });

  it('counts the deadline from when the confirmed renewal was sent, not from its answer', async () => {
    const { clock, kv, keeper, signal, end } = world();
    kv.faults.delayMs = 4_000;
    const acquired = keeper.acquire(signal);
    await clock.advance(4_000);
    await acquired;
    expect(keeper.deadline()).toBe(TTL_MS);
    const running = keeper.run(signal);
    await clock.advance(9_999); // the renewal was sent at 10,000 and is answered at 14,000
    expect([clock.now(), keeper.deadline()]).toEqual([13_999, TTL_MS]);
    await clock.advance(1);
    expect(keeper.deadline()).toBe(10_000 + TTL_MS);
    await end(running);
  });

  it('retries faster after a failure, and keeps the lease when one try gets through', async () => {
    const { clock, store, kv, keeper, events, signal, end } = world();
    const id = await keeper.acquire(signal);
    const running = keeper.run(signal);
    const lost = noteLost(keeper, clock, signal);
    await clock.advance(9_000);
    kv.faults.fails = unavailable();
    await clock.advance(20_000);
    expect(kv.calls.renewLease).toBeGreaterThan(20);
    expect(kv.calls.renewLease).toBeLessThan(60);
    kv.faults.fails = undefined;
    await clock.advance(999);
    expect(keeper.state).toBe('held');
    expect(keeper.deadline()).toBeGreaterThan(55_000);
    expect(lost).toEqual([]);
    expect(events.every(({ kind }) => kind === 'unanswered')).toBe(true);
    expect(await store.renewLease(id, never)).toMatchObject({ leftSec: TTL_SEC });
    await end(running);
  });

  it('tells at the deadline, not later, while the store fails or hangs; before the store ends the lease', async () => {
    for (const fault of ['fails', 'hangs'] as const) {
      const { clock, kv, keeper, events, signal, end } = world();
      await keeper.acquire(signal);
      const running = keeper.run(signal);
      const lost = noteLost(keeper, clock, signal);
      await clock.advance(10_000); // the last confirmed renewal
      if (fault === 'fails') kv.faults.fails = unavailable();
      else kv.faults.delayMs = Infinity;
      await clock.advance(TTL_MS - 1);
      expect([lost, keeper.state]).toEqual([[], 'held']);
      await clock.advance(1);
      expect([lost, keeper.state]).toEqual([[40_000], 'overdue']);
      expect(events.at(-1)?.kind).toBe('overdue');
      await clock.advance(TTL_MS);
      expect(lost).toEqual([40_000]);
      await end(running);
    }
  });

  it('goes on renewing past the deadline: etcd keeps leases longer when its leader changes', async () => {
    const { clock, store, kv, keeper, events, signal, end } = world();
    const id = await keeper.acquire(signal);
    const running = keeper.run(signal);
    const lost = noteLost(keeper, clock, signal);
    await clock.advance(10_000);
    kv.faults.fails = unavailable();
    await clock.advance(15_000);
    await store.renewLease(id, never); // as a new leader of etcd does
    await clock.advance(20_000);
    expect(keeper.state).toBe('overdue');
    kv.faults.fails = undefined;
    await clock.advance(1_000);
    expect(keeper.state).toBe('held');
    expect(events.at(-1)).toEqual({ kind: 'answered again', lease: id });
    kv.faults.fails = unavailable();
    await clock.advance(2 * TTL_MS);
    expect(lost.length).toBe(2);
    await end(running);
  });

  it('ends and tells when the store says that the lease is gone', async () => {
    const { clock, store, keeper, signal, end } = world();
    const id = await keeper.acquire(signal);
    const running = keeper.run(signal);
    const lost = noteLost(keeper, clock, signal);
    await clock.advance(5_000);
    await store.revokeLease(id, never);
    await clock.advance(5_000);
    await running;
    expect([lost, keeper.state]).toEqual([[10_000], 'gone']);
    expect(keeper.deadline()).toBeLessThan(clock.now());
    const next = await keeper.acquire(signal);
    expect(next).not.toBe(id);
    expect(keeper.state).toBe('held');
    await end();
  });

  it('says since when renewals were answered without a gap of over half a ttl', async () => {
    const { clock, kv, keeper, signal, end } = world();
    await clock.advance(1_000);
    await keeper.acquire(signal);
    const running = keeper.run(signal);
    await clock.advance(20_000); // renewed at 11 and 21 s
    expect(keeper.answeredSince()).toBe(1_000);
    kv.faults.fails = unavailable();
    await clock.advance(14_000); // 35 s: a gap of 14 s, less than a half
    expect(keeper.answeredSince()).toBe(1_000);
    await clock.advance(2_000); // 37 s: a gap of 16 s, and it lasts
    expect(keeper.answeredSince()).toBe(37_000);
    kv.faults.fails = undefined;
    await clock.advance(5_000);
    const since = keeper.answeredSince();
    expect(since).toBeGreaterThan(37_000);
    expect(since).toBeLessThan(38_100);
    await clock.advance(100_000);
    expect(keeper.answeredSince()).toBe(since);
    await end(running);
  });

  it('resumes a lease that the store still has, with its whole ttl again', async () => {
    const { clock, store, keeper, signal, end } = world();
    const before = await store.grantLease(TTL_SEC, never);
    await clock.advance(20_000);
    expect(await keeper.acquire(signal, before)).toBe(before);
    expect(keeper.deadline()).toBe(20_000 + TTL_MS);
    await end();
  });

  it('takes a new lease when the old one is gone, or was granted for a shorter time', async () => {
    const { store, keeper, signal, end } = world();
    expect(await keeper.acquire(signal, '12345')).not.toBe('12345');
    const short = await store.grantLease(10, never);
    expect(await keeper.acquire(signal, short)).not.toBe(short);
    expect(keeper.deadline()).toBe(TTL_MS);
    await end();
  });

  it('acquire throws what the store throws; run rejects with the reason of its signal', async () => {
    const { kv, keeper, signal, end } = world();
    const error = unavailable();
    kv.faults.fails = error;
    await expect(keeper.acquire(signal)).rejects.toBe(error);
    await expect(keeper.acquire(signal, '1')).rejects.toBe(error);
    expect(keeper.state).toBe('none');
    kv.faults.fails = undefined;
    await keeper.acquire(signal);
    const controller = new AbortController();
    const running = keeper.run(controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await end();
  });

  it('is overdue after a suspend that outlasts the ttl, although no timer has come nearer', async () => {
    const { clock, keeper, signal, end } = world();
    await keeper.acquire(signal);
    const running = keeper.run(signal);
    await clock.advance(1_000);
    clock.suspend(TTL_MS);
    expect(keeper.state).toBe('overdue');
    expect(keeper.answeredSince()).toBe(clock.now());
    await clock.advance(10_000); // the renewal that was due in suspend: the store of this test has not slept
    expect(keeper.state).toBe('held');
    expect(keeper.answeredSince()).toBeGreaterThan(1_000);
    await end(running);
  });
});
