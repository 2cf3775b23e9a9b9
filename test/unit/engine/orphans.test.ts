// The engine and what runs unknown to the store: taken up where it runs, never placed beside it, left as it is once adopted.
import { afterEach, expect, it } from 'vitest';
import { fileOfText } from '../../../src/api/unit-file.ts';
import { adoptUnit } from '../../../src/registry/orphans.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { machineId, unitName } from '../../support/cluster.ts';
import { EngineCluster } from '../../support/engine-cluster.ts';
import { SimClock } from '../../support/sim-clock.ts';

const never = new AbortController().signal;
const NAME = unitName('a.service');
const TEXT = '[Service]\nExecStart=/bin/sleep inf\n[X-Fleet]\n\n';

let clock: SimClock;
let cluster: EngineCluster;

async function begin(machines: number): Promise<void> {
  clock = new SimClock();
  cluster = new EngineCluster(openEmbeddedStore({ memory: true, clock }), clock);
  for (let n = 1; n <= machines; n += 1) await cluster.live(`m${n}`);
  cluster.runEngine('m1', {
    evidence: {
      answeredSince: () => -1e9,
      restoredAt: () => -Infinity,
      reachedAt: () => -Infinity,
      ttlSec: 3,
    },
  });
  await clock.advance(3_000);
}

const orphan = (machine: string, activeState = 'active'): Promise<void> =>
  cluster.orphan(NAME, machine, { text: TEXT, activeState });

afterEach(async () => {
  const closed = cluster.close();
  await clock.advance(10_000);
  await closed;
});

it('has nothing to do for a unit that was adopted', async () => {
  await begin(3);
  await orphan('m3');
  const registry = { kv: cluster.kv, keys: cluster.keys, unreadable: () => undefined };
  const fileOf = (text: string) => fileOfText(NAME, text);
  const { revision } = await adoptUnit(registry, { name: NAME, requestId: 'r', fileOf }, never);
  await clock.advance(5_000);
  expect(await cluster.placements()).toEqual(['a.service on m3']);
  const { kvs } = await cluster.kv.range(cluster.keys.cluster, {}, never);
  for (const { key, modRevision } of kvs)
    if (key.includes('/a.service')) expect(modRevision, key).toBeLessThanOrEqual(revision);
});

it('places a unit where its orphan runs, and says why it cannot where there are two', async () => {
  await begin(3);
  await orphan('m3');
  await orphan('m2');
  await cluster.start(NAME);
  await clock.advance(500);
  expect(await cluster.placements()).toEqual([]);
  const orphans = [machineId('m2'), machineId('m3')];
  expect(await cluster.pending(NAME)).toMatchObject({ reason: 'orphan', orphans });
  await orphan('m2', 'inactive'); // a person has stopped it there
  await clock.advance(500);
  expect(await cluster.placements()).toEqual(['a.service on m3']);
  expect(await cluster.pending(NAME)).toBeUndefined();
});

it('places it elsewhere when the machine that runs it is gone, and clears what that said', async () => {
  await begin(3);
  await orphan('m3');
  await cluster.start(NAME, 'MachineMetadata=role=none'); // m3 may not take it
  await clock.advance(500);
  expect(await cluster.pending(NAME)).toMatchObject({ reason: 'orphan' });
  cluster.die('m3');
  await clock.advance(4_000);
  expect(await cluster.pending(NAME)).toMatchObject({ counts: { metadata: 2 } });
  await clock.advance(6_000);
  const { kvs } = await cluster.kv.range(cluster.keys.orphans, {}, never);
  expect(kvs).toEqual([]);
});
