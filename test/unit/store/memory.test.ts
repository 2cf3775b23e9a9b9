import { describe, expect, it } from 'vitest';
import type { Change, Journal, JournalState } from '../../../src/store/embedded/journal.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { expectCode, keysBelow, never, put, read, write } from '../../contract/kv/subject.ts';
import { SimClock } from '../../support/sim-clock.ts';

describe('MemoryStore', () => {
  it('compacts by itself what is older than its history', async () => {
    const kv = new MemoryStore({ clock: new SimClock(), historyRevisions: 100 });
    for (let n = 0; n < 400; n += 1) await write(kv, put('/a', String(n)));
    await write(kv, { kind: 'delete', key: '/a' });
    const now = (await kv.range('/', {}, never)).revision;
    await expectCode(kv.range('/', { revision: now - 133n }, never), 'STORE_COMPACTED');
    expect((await kv.range('/', { revision: now - 100n }, never)).kvs[0]?.value).toBe('300');
    for (let n = 0; n < 400; n += 1) await write(kv, put('/b', String(n)));
    expect(kv.size).toBe(1);
    await kv.close();
  });

  it('tells a watcher that fell behind its history that it did', async () => {
    const kv = new MemoryStore({ clock: new SimClock(), historyRevisions: 100 });
    const from = await write(kv, put('/a'));
    const watch = kv.watch('/', from, never)[Symbol.asyncIterator]();
    await watch.next();
    for (let n = 0; n < 300; n += 1) await write(kv, put('/a'));
    await expectCode(watch.next(), 'STORE_COMPACTED');
    expect(kv.watches).toBe(0);
    await kv.close();
  });

  it('does not let a watcher fall behind by writes that do not concern it', async () => {
    const kv = new MemoryStore({ clock: new SimClock(), historyRevisions: 100 });
    const from = await write(kv, put('/a'));
    const watch = kv.watch('/a', from, never)[Symbol.asyncIterator]();
    await watch.next();
    const next = watch.next();
    for (let n = 0; n < 300; n += 1) await write(kv, put('/b'));
    const revision = await write(kv, put('/a'));
    expect((await next).value).toMatchObject({ revision });
    await kv.close();
  });

  it('ends leases by its clock alone, the earlier first', async () => {
    const clock = new SimClock();
    const kv = new MemoryStore({ clock });
    const long = await kv.grantLease(30, never);
    const short = await kv.grantLease(10, never);
    await write(kv, put('/long', '', long), put('/short', '', short));
    await clock.advance(9_999);
    expect(await keysBelow(kv, '/')).toEqual(['long', 'short']);
    await clock.advance(1);
    expect(await keysBelow(kv, '/')).toEqual(['long']);
    expect(await kv.renewLease(long, never)).toMatchObject({ leftSec: 30 });
    await clock.advance(29_999);
    expect(await keysBelow(kv, '/')).toEqual(['long']);
    await clock.advance(1);
    expect(await keysBelow(kv, '/')).toEqual([]);
    await expectCode(kv.renewLease(long, never), 'STORE_LEASE_GONE');
    await kv.close();
    expect(clock.waiting).toBe(0);
  });
});

/** A journal in memory that can be held back, and be made to fail. */
class TestJournal implements Journal {
  readonly kept: Change[] = [];
  #waiting: { change: Change; done: PromiseWithResolvers<void> }[] = [];

  load(): JournalState {
    const leases = new Map<string, number>();
    let lastLease = 0;
    for (const { granted, ended } of this.kept) {
      if (granted !== undefined) leases.set(granted.id, granted.ttlSec);
      if (granted !== undefined) lastLease = Number(granted.id);
      if (ended !== undefined) leases.delete(ended);
    }
    return { writes: this.kept.flatMap((x) => x.writes ?? []), leases, lastLease, compacted: 0 };
  }

  append(change: Change): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ change, done });
    return done.promise;
  }

  sync(): void {
    for (const { change, done } of this.#waiting.splice(0)) {
      this.kept.push(change);
      done.resolve();
    }
  }

  fail(): void {
    for (const { done } of this.#waiting.splice(0)) done.reject(new Error('disk full'));
  }

  async close(): Promise<void> {
    this.sync();
  }
}

describe('MemoryStore with a journal', () => {
  const open = () => {
    const journal = new TestJournal();
    return { journal, kv: new MemoryStore({ clock: new SimClock(), journal }) };
  };

  it('shows nothing that is not durable: not to its writer, a reader, a watcher or a compare', async () => {
    const { journal, kv } = open();
    const seen: string[] = [];
    const note = async (name: string, pending: Promise<unknown>): Promise<void> => {
      await pending;
      seen.push(name);
    };
    const watch = kv.watch('/', 2n, never)[Symbol.asyncIterator]();
    const all = Promise.all([
      note('write', write(kv, put('/a'))),
      note('watch', watch.next()),
      note('get', read(kv, '/a')),
      note(
        'compare',
        kv.txn({ compares: [{ key: '/a', target: 'mod', equals: 9n }], then: [] }, never),
      ),
    ]);
    expect((await kv.range('/', {}, never)).kvs).toEqual([]);
    expect(seen).toEqual([]);
    journal.sync();
    await all;
    expect(await keysBelow(kv, '/')).toEqual(['a']);
    await kv.close();
  });

  it('forgets what could not be made durable, tells every waiting caller and watcher, and goes on', async () => {
    const { journal, kv } = open();
    const first = write(kv, put('/a', 'durable'));
    journal.sync();
    const revision = await first;
    const watch = kv.watch('/', revision + 1n, never)[Symbol.asyncIterator]();
    const next = watch.next();
    const writes = [write(kv, put('/a', 'lost')), write(kv, put('/b', 'lost'))];
    const lease = kv.grantLease(10, never);
    journal.fail();
    for (const pending of [...writes, lease]) await expectCode(pending, 'STORE_UNAVAILABLE');
    await expectCode(next, 'STORE_WATCH_LOST');
    const { kvs, revision: now } = await kv.range('/', {}, never);
    expect(kvs.map(({ key, value }) => `${key}=${value}`)).toEqual(['/a=durable']);
    expect(now).toBe(revision);
    const again = write(kv, put('/c'));
    journal.sync();
    expect(await again).toBe(revision + 1n);
    await kv.close();
  });
});
