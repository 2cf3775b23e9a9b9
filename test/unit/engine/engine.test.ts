import { afterEach, describe, expect, it } from 'vitest';
import { FILTERS } from '../../../src/scheduler/filters.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { collectingLog, EngineCluster } from '../../support/engine-cluster.ts';
import { SimClock } from '../../support/sim-clock.ts';

const never = new AbortController().signal;
let clock: SimClock;
let cluster: EngineCluster;

function begin(): void {
  clock = new SimClock();
  cluster = new EngineCluster(openEmbeddedStore({ memory: true, clock }), clock);
}

async function settle(ms = 3_000): Promise<void> {
  await clock.advance(ms);
}

afterEach(async () => {
  const closed = cluster.close();
  await clock.advance(5_000);
  await closed;
});

describe('runEngine', () => {
  it('places units on the least loaded machine, ties by id', async () => {
    begin();
    await cluster.join('m1');
    await cluster.join('m2');
    for (const name of ['a.service', 'b.service', 'c.service']) await cluster.start(name);
    cluster.runEngine('m1');
    await settle();
    expect(await cluster.placements()).toEqual([
      'a.service on m1',
      'b.service on m2',
      'c.service on m1',
    ]);
  });

  it('says why a unit is pending, and takes it back when a machine comes that may run it', async () => {
    begin();
    await cluster.join('m1', { metadata: { role: 'web' } });
    await cluster.start('db.service', 'MachineMetadata=role=db');
    cluster.runEngine('m1');
    await settle();
    expect(await cluster.pending('db.service')).toMatchObject({ counts: { metadata: 1 } });
    await cluster.join('m2', { metadata: { role: 'db' } });
    await settle(100);
    expect(await cluster.placements()).toEqual(['db.service on m2']);
    expect(await cluster.pending('db.service')).toBeUndefined();
  });

  it('evicts from a machine whose key vanished, and keeps the mark for its return', async () => {
    begin();
    const m1 = await cluster.join('m1', { ttlSec: 10_000 });
    await cluster.join('m2', { ttlSec: 10_000 });
    await cluster.join('m3', { ttlSec: 10_000 });
    await cluster.start('a.service');
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => -1e9,
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 3,
      },
    });
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m1']);
    await cluster.vanish('m1');
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m2']);
    const { kvs } = await cluster.kv.range(cluster.keys.scheduleOf(m1), {}, never);
    expect(JSON.parse(kvs[0]!.value)).toMatchObject({ release: true });
  });

  it('forgets since when a machine was absent once it is back', async () => {
    begin();
    const away = { ttlSec: 3, leaseSec: 10_000 };
    const m1 = await cluster.join('m1', away);
    for (const name of ['m2', 'm3']) await cluster.join(name, away);
    const remembered = async (): Promise<number> =>
      (await cluster.kv.range(cluster.keys.host(m1), {}, never)).kvs.length;
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => -1e9,
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 3,
      },
    });
    await settle();
    await cluster.vanish('m1');
    await settle(10_000);
    expect(await remembered()).toBe(1);
    await cluster.join('m1', away);
    await settle(10_000);
    expect(await remembered()).toBe(0);
  });

  it('evicts at once from one machine after others had vanished together and come back', async () => {
    begin();
    let answered = true;
    const away = { ttlSec: 3, leaseSec: 10_000 };
    for (const name of ['m1', 'm2', 'm3']) await cluster.join(name, away);
    await cluster.start('a.service');
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => (answered ? -1e9 : clock.now()),
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 3,
      },
    });
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m1']);
    answered = false; // the store is away, and takes two leases with it
    for (const name of ['m1', 'm3']) await cluster.vanish(name);
    await settle();
    for (const name of ['m1', 'm3']) await cluster.join(name, away);
    answered = true;
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m1']);
    await cluster.vanish('m1');
    await settle(4_000);
    expect(await cluster.placements()).toEqual(['a.service on m2']);
  });

  it('waits a whole ttl where its host has found the store to be restored, though this term began after that', async () => {
    begin();
    for (const name of ['m1', 'm2', 'm3']) await cluster.join(name, { ttlSec: 10, leaseSec: 1e5 });
    await cluster.start('a.service');
    const restoredAtMs = clock.now();
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => -1e9,
        restoredAt: () => restoredAtMs,
        reachedAt: () => -Infinity,
        ttlSec: 10,
      },
    });
    await settle(1_000);
    await cluster.vanish('m1');
    await settle(8_000);
    expect(await cluster.placements()).toEqual(['a.service on m1']);
    await settle(4_000);
    expect(await cluster.placements()).not.toEqual(['a.service on m1']);
  });

  it('evicts nothing while the key of its own machine is not there', async () => {
    begin();
    const away = { ttlSec: 3, leaseSec: 1e5 };
    for (const name of ['m1', 'm2', 'm3', 'm4', 'm5']) await cluster.join(name, away);
    await cluster.start('a.service');
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => -1e9,
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 3,
      },
    });
    await settle(3_000);
    await cluster.vanish('m2');
    await cluster.vanish('m1');
    await settle(10_000);
    expect(await cluster.placements()).toEqual(['a.service on m1']);
    await cluster.join('m2', away);
    await settle(5_000);
    expect(await cluster.placements()).not.toEqual(['a.service on m1']);
  });

  it('evicts nothing while its own renewals are unanswered', async () => {
    begin();
    await cluster.join('m1', { ttlSec: 10_000 });
    await cluster.join('m2', { ttlSec: 10_000 });
    await cluster.join('m3', { ttlSec: 10_000 });
    await cluster.start('a.service');
    cluster.runEngine('m2', {
      evidence: {
        answeredSince: () => clock.now(),
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 3,
      },
    });
    await settle();
    await cluster.vanish('m1');
    await settle(60_000);
    expect(await cluster.placements()).toEqual(['a.service on m1']);
  });

  it('goes on with everything else when the planning of one unit throws', async () => {
    begin();
    const lines: string[] = [];
    await cluster.join('m1');
    await cluster.start('bad.service', 'MachineMetadata=role=x');
    await cluster.start('good.service');
    const fault = (): never => {
      throw new Error('planted');
    };
    cluster.runEngine('m1', {
      log: collectingLog(lines),
      filters: {
        ...FILTERS,
        take: FILTERS.take.map(
          (filter) =>
            (...args: Parameters<typeof filter>) =>
              args[0].name === 'bad.service' ? fault() : filter(...args),
        ),
      },
    });
    await settle();
    expect(await cluster.placements()).toEqual(['good.service on m1']);
    expect(await cluster.pending('bad.service')).toMatchObject({ reason: 'internal' });
    expect(lines.filter((line) => line === 'unit cannot be planned bad.service')).toHaveLength(1);
    await cluster.start('later.service');
    await settle();
    expect(await cluster.placements()).toEqual(['good.service on m1', 'later.service on m1']);
  });

  it('leaves a unit alone whose record does not decode, and decides the others', async () => {
    begin();
    await cluster.join('m1');
    await cluster.start('a.service');
    const key = cluster.keys.unit('poisoned.service' as never);
    await cluster.kv.txn({ then: [{ kind: 'put', key, value: '{"v":1,' }] }, never);
    cluster.runEngine('m1');
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m1']);
  });

  it('hands a unit over: released, and placed again when its host has deleted the key', async () => {
    begin();
    await cluster.join('m1', { metadata: { role: 'web' } });
    await cluster.join('m2', { metadata: { role: 'db' } });
    await cluster.start('a.service', 'MachineMetadata=role=web');
    cluster.runEngine('m1');
    await settle();
    await cluster.start('a.service', 'MachineMetadata=role=db');
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m1 (release)']);
    await cluster.handOver('a.service', 'm1');
    await settle();
    expect(await cluster.placements()).toEqual(['a.service on m2']);
  });
});

describe('campaign', () => {
  it('elects another engine when the leader is gone, and only one at a time', async () => {
    begin();
    const lines: string[] = [];
    await cluster.join('m1');
    const first = cluster.runEngine('m1', { log: collectingLog(lines) });
    cluster.runEngine('m2', { log: collectingLog(lines), random: () => 0.9 });
    await settle();
    expect(lines.filter((line) => line === 'leader elected')).toHaveLength(1);
    first.abort(new Error('stopped'));
    await settle(1_000);
    expect(lines.filter((line) => line === 'leader elected')).toHaveLength(2);
    await cluster.start('a.service');
    await settle(100);
    expect(await cluster.placements()).toEqual(['a.service on m1']);
  });

  it('ends the term when the leader key is deleted', async () => {
    begin();
    const lines: string[] = [];
    cluster.runEngine('m1', { log: collectingLog(lines) });
    await settle();
    await cluster.kv.txn({ then: [{ kind: 'delete', key: cluster.keys.leader }] }, never);
    await settle(5_000);
    expect(lines.filter((line) => line === 'leader elected')).toHaveLength(2);
  });
});
