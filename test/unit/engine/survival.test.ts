// Machines that go away in clusters of 1 to 5: who is evicted when, and when nobody is. Real engines over the store in memory.
import { afterEach, describe, expect, it } from 'vitest';
import { encode } from '../../../src/registry/codec.ts';
import type { Kv, Revision } from '../../../src/store/kv.ts';
import { SeenRevisions } from '../../../src/store/seen-revisions.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { machineId } from '../../support/cluster.ts';
import { EngineCluster } from '../../support/engine-cluster.ts';
import { FaultyKv, unavailable } from '../../support/faulty-kv.ts';
import { SimClock } from '../../support/sim-clock.ts';

/** seconds; of every machine here. They renew once a second. */
const TTL_SEC = 3;
const TTL_MS = TTL_SEC * 1000;
const WELL = {
  evidence: {
    answeredSince: () => -1e9,
    restoredAt: () => -Infinity,
    reachedAt: () => -Infinity,
    ttlSec: TTL_SEC,
  },
};

let clock: SimClock;
let cluster: EngineCluster;
let kv: Kv;
let engineOf: Map<string, FaultyKv>;

/** Machines m1 … mN with a unit each, uK on mK, and an engine on each; m1 leads. */
async function begin(machines: number): Promise<void> {
  clock = new SimClock();
  kv = openEmbeddedStore({ memory: true, clock });
  cluster = new EngineCluster(kv, clock);
  engineOf = new Map();
  const names = Array.from({ length: machines }, (_, n) => `m${n + 1}`);
  // Their renewals are spread over the second.
  for (const [n, name] of names.entries()) await cluster.live(name, { firstMs: 180 * (n + 1) });
  for (const [n, name] of names.entries()) {
    const own = new FaultyKv(kv, clock);
    engineOf.set(name, own);
    cluster.runEngine(name, { ...WELL, kv: own, random: () => n / 10 });
    await clock.advance(100);
  }
  await clock.advance(3_000);
  for (const name of names) {
    await cluster.start(name.replace('m', 'u') + '.service');
    await clock.advance(100);
  }
  expect(await placed()).toEqual(names.map((name) => `${name.replace('m', 'u')} on ${name}`));
}

/** All of it goes at once: it renews nothing, and its engine reaches nothing. */
function die(...names: readonly string[]): void {
  for (const name of names) {
    cluster.die(name);
    engineOf.get(name)!.faults.fails = unavailable();
    engineOf.get(name)!.cutWatches();
  }
}

/** It comes back by a boot: another incarnation, another engine. Or, having returned, out of a time without the store. */
async function comeBack(name: string, { returned = false } = {}): Promise<void> {
  await cluster.live(name, { returned });
  runAnotherEngine(name);
}

function runAnotherEngine(name: string, seen = new SeenRevisions()): void {
  const own = new FaultyKv(kv, clock);
  engineOf.set(name, own);
  const reachedAt = (revision: Revision): number => seen.reachedAt(revision);
  cluster.runEngine(name, { evidence: { ...WELL.evidence, reachedAt }, kv: own });
}

async function revisionNow(): Promise<Revision> {
  const { revision } = await kv.range('/', { limit: 1 }, new AbortController().signal);
  return revision;
}

async function placed(): Promise<readonly string[]> {
  return (await cluster.placements()).map((line) => line.replace('.service', ''));
}

/** Turns the clock by `ms` and tells each new place of a unit on the way. */
async function moves(ms: number): Promise<readonly string[]> {
  const seen: string[] = [];
  let before = await placed();
  for (let at = 0; at < ms; at += 100) {
    await clock.advance(100);
    const now = await placed();
    seen.push(...now.filter((line) => !before.includes(line)));
    before = now;
  }
  return seen;
}

afterEach(async () => {
  for (const { faults } of engineOf.values()) faults.fails = undefined;
  const closed = cluster.close();
  await clock.advance(10_000);
  await closed;
});

describe('machines that die together, the leader not among them', () => {
  it.for([
    { machines: 2, die: ['m2'], moved: ['u2 on m1'], brake: false },
    { machines: 3, die: ['m2'], moved: ['u2 on m1'], brake: false },
    { machines: 3, die: ['m3', 'm2'], moved: [], brake: true },
    { machines: 4, die: ['m2', 'm3'], moved: ['u2 on m1', 'u3 on m4'], brake: false },
    { machines: 4, die: ['m2', 'm3', 'm4'], moved: [], brake: true },
    { machines: 5, die: ['m4', 'm2'], moved: ['u2 on m1', 'u4 on m3'], brake: false },
    { machines: 5, die: ['m3', 'm4', 'm5'], moved: [], brake: true },
    { machines: 5, die: ['m2', 'm3', 'm4', 'm5'], moved: [], brake: true },
  ])('$die of $machines: $moved, brake $brake', async ({ machines, die: dead, moved, brake }) => {
    await begin(machines);
    die(...dead);
    // None of them is taken for another's new home, and none moves before it is known how many are gone.
    expect((await moves(TTL_MS + 1_000)).toSorted()).toEqual(moved);
    expect((await cluster.brake()) !== undefined).toBe(brake);
    expect(await moves(4 * TTL_MS)).toEqual([]);
  });

  it('evicts them all when the brake has held for 5 ttl', async () => {
    await begin(3);
    die('m2', 'm3');
    expect(await moves(5 * TTL_MS + 1_500)).toEqual([]);
    expect((await moves(TTL_MS)).toSorted()).toEqual(['u2 on m1', 'u3 on m1']);
    // The other one that is left is not held back by what is over.
    expect((await cluster.brake())!.untilMs).toBeLessThan(clock.wallNow());
  });

  it('keeps everything untouched on those that come back before that, and lets go of the brake', async () => {
    await begin(3);
    die('m2', 'm3');
    await moves(2 * TTL_MS);
    expect(await cluster.host('m2')).toMatchObject({ lastSeenMs: expect.any(Number) as number });
    expect(await cluster.host('m2')).not.toHaveProperty('absentSinceMs');
    await comeBack('m2');
    await comeBack('m3');
    expect(await moves(5 * TTL_MS)).toEqual([]);
    expect(await cluster.brake()).toBeUndefined();
    expect([await cluster.host('m2'), await cluster.host('m3')]).toEqual([undefined, undefined]);
    expect(await cluster.marks('m2')).toEqual([]);
  });

  it('does not brake for what died more than a ttl before', async () => {
    await begin(3);
    die('m3');
    expect(await moves(2 * TTL_MS + 1_000)).toEqual(['u3 on m1']);
    die('m2');
    expect(await moves(TTL_MS + 1_000)).toEqual(['u2 on m1']);
    expect(await cluster.brake()).toBeUndefined();
  });

  it('does not hold one back for another that only was late once', async () => {
    await begin(3);
    die('m2');
    await clock.advance(1_200);
    cluster.die('m3'); // misses renewals, …
    await clock.advance(1_400);
    await cluster.renew('m3'); // … and is heard again before its lease ends
    expect(await moves(1_400)).toEqual(['u2 on m1']);
    expect(await cluster.brake()).toBeUndefined();
  });
});

describe('those that are back sooner than others', () => {
  it('count with those that vanish within the ttl', async () => {
    await begin(5);
    await cluster.vanish('m2');
    await comeBack('m2', { returned: true });
    die('m4', 'm5');
    expect(await moves(2 * TTL_MS)).toEqual([]);
    expect((await cluster.brake())?.machines).toEqual(['m4', 'm5'].map(machineId));
  });

  it('do not count a ttl later', async () => {
    await begin(5);
    await cluster.vanish('m2');
    await comeBack('m2', { returned: true });
    await moves(TTL_MS + 1_000);
    die('m4', 'm5');
    expect(await moves(2 * TTL_MS)).toHaveLength(2);
    expect(await cluster.brake()).toBeUndefined();
  });

  it.for([
    { name: 'it knew the store before', isOld: true, laterMs: 0, moved: 0 },
    { name: 'it knew, and comes a ttl later', isOld: true, laterMs: TTL_MS + 100, moved: 2 },
    { name: 'it has begun since', isOld: false, laterMs: 0, moved: 0 },
    { name: 'it has begun since, a ttl ago', isOld: false, laterMs: TTL_MS + 100, moved: 2 },
  ])('count for a leader that comes after them: $name', async ({ isOld, laterMs, moved }) => {
    await begin(4);
    const seen = new SeenRevisions();
    if (isOld) seen.note(clock.now(), await revisionNow());
    die('m1', 'm2', 'm3', 'm4');
    await moves(6_000); // all keys have gone, and that of the leader
    for (const name of ['m1', 'm2']) await cluster.live(name, { returned: true });
    seen.note(clock.now(), await revisionNow());
    await moves(laterMs);
    runAnotherEngine('m1', seen);
    expect(await moves(4 * TTL_MS)).toHaveLength(moved);
    const held = (await cluster.brake())?.machines;
    expect(held).toEqual(moved === 0 ? ['m3', 'm4'].map(machineId) : undefined);
  });

  it('are not taken for such where a fleetd of before writes their keys anew', async () => {
    await begin(3);
    await cluster.vanish('m3');
    await comeBack('m3', { returned: true });
    await moves(3 * TTL_MS);
    await cluster.rewrite('m3'); // without the word
    die('m2');
    expect(await moves(TTL_MS + 1_000)).toEqual(['u2 on m1']);
    expect(await cluster.brake()).toBeUndefined();
  });
});

describe('the leader among them', () => {
  it('is evicted by the next leader, within its own lease and 2 s more', async () => {
    await begin(3);
    die('m1');
    expect(await moves(5_000)).toEqual([]); // the lease of the leader key
    expect(await moves(3_500)).toEqual(['u1 on m2']);
    expect(await cluster.brake()).toBeUndefined();
  });

  it.for([
    { machines: 3, die: ['m1', 'm2'] },
    { machines: 4, die: ['m1', 'm2', 'm3'] },
    { machines: 5, die: ['m1', 'm2', 'm3'] },
  ])('$die of $machines: the brake holds from its election on', async ({ machines, die: dead }) => {
    await begin(machines);
    die(...dead);
    // The lease of the leader key has two thirds of 5 s left at the least.
    expect(await moves(3_300 + 5 * TTL_MS)).toEqual([]);
    expect((await cluster.brake())!.machines).toHaveLength(dead.length);
    expect(await moves(3_000)).toHaveLength(dead.length);
  });

  it('takes over the brake of the one before: it ends when it was to end', async () => {
    await begin(5);
    die('m3', 'm4', 'm5');
    await moves(TTL_MS + 1_000);
    const brake = (await cluster.brake())!;
    await moves(2_000);
    // Only its fleetd ends: its machine stays.
    engineOf.get('m1')!.faults.fails = unavailable();
    engineOf.get('m1')!.cutWatches();
    expect(await moves(brake.untilMs - clock.wallNow() - 200)).toEqual([]);
    expect(await cluster.brake()).toEqual(brake);
    expect(await moves(2_500)).toHaveLength(3);
  });

  it('does not count what only an override of metadata speaks of', async () => {
    await begin(3);
    for (const n of [7, 8, 9]) {
      const machine = machineId(`m${n}`);
      const value = encode('metadata', { machine, key: 'role', value: 'web' });
      const key = cluster.keys.metadata(machine, 'role');
      await kv.txn({ then: [{ kind: 'put', key, value }] }, new AbortController().signal);
    }
    die('m1');
    expect(await moves(8_500)).toEqual(['u1 on m2']);
    expect(await cluster.brake()).toBeUndefined();
  });

  it('does not take what was evicted long ago for a part of what vanishes now', async () => {
    await begin(3);
    die('m3');
    expect(await moves(2 * TTL_MS + 1_000)).toEqual(['u3 on m1']);
    expect(await cluster.host('m3')).toHaveProperty('absentSinceMs');
    die('m1');
    expect((await moves(9_500)).toSorted()).toEqual(['u1 on m2', 'u3 on m2']);
    expect(await cluster.brake()).toBeUndefined();
  });
});

describe('what a person and the machines themselves say', () => {
  it('moves the units of a machine that leaves at once, and counts it for no brake', async () => {
    await begin(3);
    await cluster.leave('m2');
    await cluster.leave('m3');
    expect((await moves(300)).toSorted()).toEqual(['u2 on m1', 'u3 on m1']);
    expect(await cluster.brake()).toBeUndefined();
  });

  it('evicts through the brake the machine that a person names, and only that', async () => {
    await begin(5);
    die('m3', 'm4', 'm5');
    expect(await moves(TTL_MS + 1_000)).toEqual([]);
    await cluster.evict('m4');
    expect(await moves(300)).toEqual(['u4 on m1']);
    expect(await moves(2 * TTL_MS)).toEqual([]);
    expect((await cluster.host('m4'))!.evict).toBe(true);
    expect((await cluster.host('m4'))!.absentSinceMs).toBeDefined();
  });

  it('forgets that a machine was evicted when it is back: it stops what has moved, and is as any other', async () => {
    await begin(5);
    die('m3', 'm4', 'm5');
    await moves(TTL_MS + 1_000);
    await cluster.evict('m4');
    await moves(300);
    await comeBack('m4');
    await moves(500);
    expect(await cluster.marks('m4')).toEqual(['u4.service']);
    expect(await cluster.host('m4')).toBeUndefined();
    die('m4');
    expect(await moves(2 * TTL_MS)).toEqual([]); // the brake is still on
  });

  it('keeps lost what no other machine may take, and nothing of it is touched when its machine is back', async () => {
    await begin(2);
    const id = (await cluster.placementRecords())[1]!.machine;
    await cluster.start('pinned.service', `MachineID=${id}`);
    await clock.advance(200);
    die('m2');
    expect(await moves(2 * TTL_MS)).toEqual(['u2 on m1']);
    expect(await cluster.pending('pinned.service')).toMatchObject({ counts: { 'machine-id': 1 } });
    const before = await cluster.placementRecords();
    await comeBack('m2');
    expect(await moves(TTL_MS)).toEqual([]);
    expect(await cluster.placementRecords()).toEqual(before);
    expect(await cluster.marks('m2')).toEqual(['u2.service']);
    expect(await cluster.pending('pinned.service')).toBeUndefined();
  });

  it('forgets a machine that has not returned for 30 days, with its marks', async () => {
    await begin(3);
    die('m3');
    await moves(2 * TTL_MS);
    expect(await cluster.marks('m3')).toEqual(['u3.service']);
    const host = (await cluster.host('m3'))!;
    await cluster.backdate('m3', host.absentSinceMs! - 30 * 24 * 60 * 60_000);
    await clock.advance(6 * 60_000);
    expect(await cluster.marks('m3')).toEqual([]);
    expect(await cluster.host('m3')).toBeUndefined();
    await clock.advance(10_000);
    expect(await cluster.host('m3')).toBeUndefined();
  });
});
