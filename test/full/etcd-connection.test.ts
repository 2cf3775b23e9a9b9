// What happens to idle and dead connections to etcd; slow, because keepalives are. "Difference" names the line of src/store/etcd/.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { etcdMissing, startEtcd, startTcpProxy } from '../support/etcd.ts';
import { failureOf, never, openStore, putMany, Reader, revisionOf } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';

describe.skipIf(etcdMissing !== undefined)(`connection to etcd ${etcdMissing ?? ''}`, () => {
  // Difference: services.ts, 'grpc.keepalive_time_ms': each call would go into the dead connection until TCP gives up.
  it('a connection that died silently is replaced, also when no stream is open', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startTcpProxy(etcd.endpoints[0]!);
    await using kv = await openStore([`http://127.0.0.1:${proxy.port}`], { requestTimeoutMs: 500 });
    await revisionOf(kv);
    proxy.strand();
    expect((await failureOf(kv.range('/a', {}, never))).code).toBe('STORE_UNAVAILABLE');
    await eventually(() => revisionOf(kv), { timeoutMs: 12_000 });
  });

  // Difference: services.ts, 'grpc.keepalive_permit_without_calls': with 1 etcd ends the connection after 15 s ('too_many_pings').
  it('that is idle is left alone', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startTcpProxy(etcd.endpoints[0]!);
    await using kv = await openStore([`http://127.0.0.1:${proxy.port}`]);
    await revisionOf(kv);
    await delay(22_000);
    expect(proxy.accepted).toBe(1);
    await revisionOf(kv);
    expect(proxy.accepted).toBe(1);
  });

  // Difference: history.ts compares with what was known when the request was sent, and looks at no header of a watch.
  it('to a member that lags behind is no reason for STORE_REVERTED', async () => {
    await using etcd = await startEtcd({ members: 3 });
    const leader = await etcd.leader();
    const follower = etcd.members.find((member) => member.name !== leader.name)!;
    await using kv = await openStore([leader.endpoint, follower.endpoint]);
    follower.freeze();
    await putMany(kv, { prefix: '/l/', count: 2000, value: 'x' });
    const seen = await revisionOf(kv);
    follower.thaw();
    await leader.kill();
    const { revision } = await eventually(() => kv.range('/l/', { limit: 1 }, never));
    expect(revision).toBeGreaterThanOrEqual(seen);
    const reader = new Reader(kv, '/l/', seen + 1n);
    await kv.txn({ then: [{ kind: 'put', key: '/l/new', value: '' }] }, never);
    await eventually(() => reader.events === 1);
    expect(reader.code).toBeUndefined();
    await reader.stop();
  });
});
