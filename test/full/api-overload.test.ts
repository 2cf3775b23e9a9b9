// More requests at once than an API can take, on a real etcd: each is carried out or refused as a whole, and clients get there in the end.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiFixture } from '../support/api.ts';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { burst, clientsAtOnce, storedUnits } from '../support/overload.ts';

if (etcdMissing !== undefined) process.stderr.write(`skipped: ${etcdMissing}\n`);

describe.skipIf(etcdMissing !== undefined)('an API that is asked for too much', () => {
  let etcd: EtcdCluster;
  let fixture: ApiFixture;
  beforeEach(async () => {
    etcd = await startEtcd();
    const kv = await openStore(etcd.endpoints, { requestTimeoutMs: 5_000 });
    fixture = await new ApiFixture(kv).start();
  });
  afterEach(async () => {
    await fixture.stop();
    await etcd.stop();
  });

  it('takes 200 units of each of 50 clients at once', async () => {
    await clientsAtOnce(fixture, 50, 200);
    const units = await storedUnits(fixture);
    expect(units.size).toBe(50 * 200);
    expect([...units].filter((name) => name.includes(' '))).toEqual([]);
  });

  it('answers or refuses each of 10,000 units of one burst, and carries out what it does not refuse', async () => {
    const outcomes = await burst(fixture, 10_000);
    const kinds = Map.groupBy(
      outcomes,
      ({ status, retryAfter }) => `${status} ${retryAfter ?? ''}`,
    );
    expect([...kinds.keys()].filter((kind) => kind !== '201 ' && kind !== '503 1')).toEqual([]);
    const created = kinds.get('201 ') ?? [];
    expect(created.length).toBeGreaterThan(1_000);
    expect(await storedUnits(fixture)).toEqual(new Set(created.map(({ name }) => name)));
  });
});
