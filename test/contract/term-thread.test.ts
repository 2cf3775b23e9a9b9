// Terms in a thread of their own, over real etcd: they decide as any other, and end with their leadership.
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTermThread, type TermThreadDeps } from '../../agent/term-thread.ts';
import { spawnTerm } from '../../agent/threads.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { machineId } from '../support/cluster.ts';
import { collectingLog, EngineCluster } from '../support/engine-cluster.ts';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { never, openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { threadsBehind } from '../support/niceness.ts';

type Store = Awaited<ReturnType<typeof openStore>>;

const LONG = { timeoutMs: 20_000 };

let etcd: EtcdCluster;
let kv: Store;
let cluster: EngineCluster;
let workers: Worker[];
let lines: string[];

beforeEach(async () => {
  etcd = await startEtcd();
  kv = await openStore(etcd.endpoints);
  cluster = new EngineCluster(kv, systemClock);
  workers = [];
  lines = [];
});
afterEach(async () => {
  await cluster.close();
  await etcd[Symbol.asyncDispose]();
});

/** An engine of m1 whose terms have a thread from so many units on. */
function run(fromUnits: number, answeredSince = (): number => -1e9): void {
  const log = collectingLog(lines);
  const evidence = {
    answeredSince,
    restoredAt: () => -1e9,
    reachedAt: () => -Infinity,
    ttlSec: 2,
  };
  const deps: TermThreadDeps = {
    spawn: (options) => {
      const worker = spawnTerm(options);
      workers.push(worker);
      return worker;
    },
    clock: systemClock,
    log,
    store: { endpoints: etcd.endpoints, requestTimeoutMs: 1_000 },
    keyPrefix: cluster.keys.prefix,
    machine: machineId('m1'),
    intervalMs: 500,
    evidence,
    seenRevisions: () => [],
    isVerbose: () => false,
    fromUnits,
  };
  cluster.runEngine('m1', { log, evidence, intervalMs: 500, thread: openTermThread(deps) });
}

/** A machine, a unit, and the term that has placed it. */
async function oneTerm(): Promise<void> {
  await cluster.join('m1', { ttlSec: 120 });
  await cluster.start('a.service');
  run(1);
  await eventually(async () => (await placed()) === 1, LONG);
}

const count = (word: string): number => lines.filter((line) => line.includes(word)).length;
const placed = async (): Promise<number> => (await cluster.placements()).length;
const ended = (worker: Worker): Promise<void> =>
  new Promise((resolve) => void worker.once('exit', () => resolve()));

describe.skipIf(etcdMissing !== undefined)(`terms in a thread ${etcdMissing ?? ''}`, () => {
  it('decide for the cluster, and for what changes', async () => {
    for (const name of ['m1', 'm2', 'm3']) await cluster.join(name, { ttlSec: 120 });
    for (let n = 0; n < 30; n += 1) await cluster.start(`u${n}.service`);
    run(1);
    await eventually(async () => (await placed()) === 30, LONG);
    await cluster.start('late.service');
    await eventually(async () => (await placed()) === 31);
    await eventually(() => count('engine action place') === 31);
    expect(workers).toHaveLength(1);
    expect(count('the term runs in a thread of its own')).toBe(1);
  });

  it('stand behind the other threads, and only as long as there is one', async () => {
    await oneTerm();
    expect(threadsBehind(process.pid)).toBe(1);
    await workers[0]?.terminate();
    await eventually(() => threadsBehind(process.pid) === 0);
  });

  it('are begun only where the cluster is large, or has grown', async () => {
    await cluster.join('m1', { ttlSec: 120 });
    for (let n = 0; n < 4; n += 1) await cluster.start(`u${n}.service`);
    run(5);
    await eventually(async () => (await placed()) === 4, LONG);
    for (let n = 4; n < 10; n += 1) await cluster.start(`u${n}.service`);
    await eventually(async () => (await placed()) === 10);
    expect(workers).toHaveLength(0);
    for (let n = 10; n < 13; n += 1) await cluster.start(`u${n}.service`);
    await eventually(() => workers.length === 1, LONG);
    await eventually(async () => (await placed()) === 13, LONG);
  });

  it('go on in a thread where the picture has grown by what is no unit record', async () => {
    await cluster.join('m1', { ttlSec: 120 });
    for (let n = 0; n < 30; n += 1) await cluster.orphan(`o${n}.service`, 'm1');
    for (let n = 0; n < 4; n += 1) await cluster.start(`u${n}.service`);
    run(10);
    await eventually(async () => (await placed()) === 4, LONG);
    await cluster.start('late.service');
    await eventually(async () => (await placed()) === 5, LONG);
    await eventually(() => workers.length === 1, LONG);
    await cluster.start('later.service');
    await eventually(async () => (await placed()) === 6, LONG);
    expect([workers.length, count('leader elected')]).toEqual([1, 1]);
  });

  it('wait no ttl where the main thread was busy for a second', async () => {
    for (const name of ['m1', 'm2', 'm3', 'm4', 'm5'])
      await cluster.join(name, { ttlSec: name === 'm1' ? 120 : 5, leaseSec: 120 });
    for (let n = 0; n < 10; n += 1) await cluster.start(`u${n}.service`);
    run(1);
    await eventually(async () => (await placed()) === 10, LONG);
    await cluster.vanish('m3');
    const isFree = (name: string) => async (): Promise<boolean> =>
      !(await cluster.placements()).some((line) => line.endsWith(name));
    await eventually(isFree('m3'), LONG);
    await systemClock.sleep(11_000, never); // two ttls later: the two have nothing to do with each other
    const until = performance.now() + 1_600;
    while (performance.now() < until);
    await systemClock.sleep(500, never);
    const vanishedAt = performance.now();
    await cluster.vanish('m2');
    await eventually(isFree('m2'), LONG);
    expect(performance.now() - vanishedAt).toBeLessThan(3_000);
  });

  it('believe nobody gone while the renewals of the main thread are not answered', async () => {
    let isAnswered = false;
    await cluster.join('m1', { ttlSec: 120 });
    await cluster.join('m2', { ttlSec: 2, leaseSec: 120 });
    await cluster.start('a.service', 'MachineMetadata=never=there');
    await cluster.start('b.service');
    await cluster.start('c.service');
    run(1, () => (isAnswered ? -1e9 : systemClock.now()));
    await eventually(async () => (await placed()) === 2, LONG);
    await cluster.vanish('m2');
    await systemClock.sleep(4_000, never);
    expect(await cluster.placements()).toEqual(['b.service on m1', 'c.service on m2']);
    isAnswered = true;
    await eventually(
      async () => (await cluster.placements()).join() === 'b.service on m1,c.service on m1',
      LONG,
    );
  });

  it('end with their leadership: the next begins in another thread', async () => {
    await oneTerm();
    const gone = ended(workers[0]!);
    await kv.txn({ then: [{ kind: 'delete', key: cluster.keys.leader }] }, never);
    await gone;
    await cluster.start('b.service');
    await eventually(async () => (await placed()) === 2, LONG);
    expect(workers).toHaveLength(2);
    expect(count('term ended by a fault')).toBe(0);
  });

  it('that end by a fault are told of, and others take their place', async () => {
    await oneTerm();
    await workers[0]!.terminate();
    await cluster.start('b.service');
    await eventually(async () => (await placed()) === 2, LONG);
    expect(count('term ended by a fault, backing off')).toBe(1);
    expect(count('leader elected')).toBe(2);
  });

  it('leave no thread behind', async () => {
    await oneTerm();
    const gone = ended(workers[0]!);
    await cluster.close();
    await gone;
    expect(count('term ended by a fault')).toBe(0);
  });
});
