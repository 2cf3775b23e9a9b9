import { spawn, type ChildProcess } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { commit } from '../../src/registry/commit.ts';
import { isFleetError } from '../../src/model/errors.ts';
import { EngineCluster } from '../support/engine-cluster.ts';
import { etcdMissing, startEtcd } from '../support/etcd.ts';
import { never, openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { unitName } from '../support/cluster.ts';

interface Engine {
  readonly child: ChildProcess;
  output(): string;
}

function startEngine(endpoint: string, name: string): Engine {
  const child = spawn(process.execPath, ['test/support/engine-process.ts', endpoint, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { child, output: () => text };
}

function count(text: string, word: string): number {
  return text.split(word).length - 1;
}

describe.skipIf(etcdMissing !== undefined)(`two engines on real etcd ${etcdMissing ?? ''}`, () => {
  it('commit writes nothing for a term that is over, and names no loser', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints);
    const key = '/leader';
    await kv.txn({ then: [{ kind: 'put', key, value: 'second term' }] }, never);
    const write = {
      unit: unitName('a.service'),
      compares: [{ key: '/placed', equals: 0n }],
      operations: [{ kind: 'put', key: '/placed', value: 'late' } as const],
    };
    const failure: unknown = await commit(kv, { key, createRevision: 1n }, [write], never).catch(
      (error: unknown) => error,
    );
    expect(isFleetError(failure, 'LEADERSHIP_LOST')).toBe(true);
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: '/placed' }] }, never);
    expect(gets[0]).toBeUndefined();
  });

  it('commit drops the losers that the else branch names, and writes the others', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints);
    const lead = await kv.txn({ then: [{ kind: 'put', key: '/leader', value: 'x' }] }, never);
    await kv.txn({ then: [{ kind: 'put', key: '/k/7', value: 'moved' }] }, never);
    const writes = Array.from({ length: 300 }, (_, i) => ({
      unit: unitName(`u${i}.service`),
      compares: [{ key: `/k/${i}`, equals: 0n }],
      operations: [{ kind: 'put', key: `/k/${i}`, value: 'mine' } as const],
    }));
    const fence = { key: '/leader', createRevision: lead.revision };
    const { committed, lost } = await commit(kv, fence, writes, never);
    expect(lost.map(({ unit }) => unit)).toEqual(['u7.service']);
    expect(committed).toHaveLength(299);
    const { kvs } = await kv.range('/k/', {}, never);
    expect(kvs.filter(({ value }) => value === 'mine')).toHaveLength(299);
  });

  it('a leader that is stopped past its lease and continued writes nothing late, and nothing is placed twice', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints);
    const cluster = new EngineCluster(kv, systemClock);
    const [endpoint = ''] = etcd.endpoints;
    for (const name of ['m1', 'm2', 'm3']) await cluster.join(name, { ttlSec: 120 });
    const first = startEngine(endpoint, 'm1');
    let second: Engine | undefined;
    try {
      await eventually(() => first.output().includes('leader elected'));
      second = startEngine(endpoint, 'm2');
      const other = second;
      // Submitted without a pause, so that the first is stopped with writes in flight.
      const submitting = new AbortController();
      let submitted = 0;
      const submit = (async () => {
        while (!submitting.signal.aborted && submitted < 3_000) {
          await cluster.start(`u${submitted}.service`);
          submitted += 1;
        }
      })();
      await eventually(() => count(first.output(), 'engine action') > 20);
      first.child.kill('SIGSTOP');
      await eventually(() => other.output().includes('leader elected'), { timeoutMs: 20_000 });
      await eventually(() => count(other.output(), 'engine action') > 20, { timeoutMs: 20_000 });
      const placedByFirst = count(first.output(), 'engine action place');
      first.child.kill('SIGCONT');
      await eventually(() => first.output().includes('leader term ended'));
      submitting.abort();
      await submit;
      const names = (
        await eventually(
          async () => {
            const placed = await cluster.placementRecords();
            return placed.length === submitted ? placed : false;
          },
          { timeoutMs: 20_000 },
        )
      ).map(({ name }) => name);
      expect(new Set(names).size).toBe(submitted);
      // Every placement and its schedule key were written once, in one transaction: no second write ever touched them.
      const { kvs } = await kv.range(cluster.keys.placements, {}, never);
      for (const placed of kvs) expect(placed.modRevision).toBe(placed.createRevision);
      const schedules = await kv.range(`${cluster.keys.cluster}schedule/`, {}, never);
      expect(schedules.kvs).toHaveLength(submitted);
      // What the first logs as done was done before it was stopped, or told to it late: never more than was written.
      expect(count(first.output(), 'engine action place')).toBeGreaterThanOrEqual(placedByFirst);
      const logged =
        count(first.output(), 'engine action place') + count(other.output(), 'engine action place');
      expect(logged).toBeLessThanOrEqual(submitted);
    } finally {
      for (const engine of [first, second]) {
        engine?.child.kill('SIGCONT');
        engine?.child.kill('SIGKILL');
      }
    }
  });
});
