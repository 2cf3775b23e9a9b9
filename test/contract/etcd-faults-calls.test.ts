// What can happen to calls on real etcd. "Difference" names the line of src/store/etcd/ without which the test fails.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { LeaseKeeper } from '../../src/store/lease-keeper.ts';
import { etcdMissing, startEtcd, startTcpProxy } from '../support/etcd.ts';
import { failureOf, never, openStore, Reader, revisionOf } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';

const put = (key: string, value = '') => ({ kind: 'put', key, value }) as const;
/** ms; how late InFlight may notice, and what a busy machine adds. */
const slackMs = 1500;

// Together: each has its own etcd, and mostly waits.
describe.skipIf(etcdMissing !== undefined).concurrent(`calls on etcd ${etcdMissing ?? ''}`, () => {
  // Difference: store.ts, `resend: 'unlessSent'` for a txn that writes: sent again it answers succeeded=false, though it was we who won.
  it('a compare-and-set whose answer is lost fails as ambiguous, and is not sent again', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startTcpProxy(etcd.endpoints[0]!);
    await using direct = await openStore(etcd.endpoints);
    await using kv = await openStore([`http://127.0.0.1:${proxy.port}`]);
    await revisionOf(kv);
    proxy.swallowAnswers();
    const failing = failureOf(
      kv.txn(
        {
          compares: [{ key: '/cas', target: 'create', equals: 0n }],
          then: [put('/cas', 'owner-1')],
        },
        never,
      ),
    );
    const found = await eventually(
      async () => (await direct.range('/cas', {}, never)).kvs[0]!.value,
    );
    proxy.setMode('open');
    proxy.cut();
    const { code, details } = await failing;
    expect([code, details['ambiguous']]).toEqual(['STORE_UNAVAILABLE', true]);
    expect(found).toBe('owner-1');
    const [after] = (await kv.range('/cas', {}, never)).kvs;
    expect(after!.modRevision).toBe(after!.createRevision);
  });

  // Difference: members.ts goes on after a failure that is sure (`sent: 'no'`); failure.ts, `notSent`.
  it('a write that finds no connection is sent when etcd is back', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints, { requestTimeoutMs: 5000 });
    await revisionOf(kv);
    await etcd.members[0]!.kill();
    // The end of the old connection is what a first call may still find.
    await failureOf(kv.txn({ then: [put('/gone')] }, AbortSignal.timeout(300))).catch(
      () => undefined,
    );
    const writing = kv.txn({ then: [put('/a')] }, never);
    await etcd.members[0]!.start();
    expect((await writing).succeeded).toBe(true);
  });

  // Difference: in-flight.ts (without it the calls hang), and members.ts, `leave` (without it each goes to the frozen member first);
  // for the watch, services.ts, 'grpc.keepalive_time_ms'.
  it('a frozen member: a watch on it ends in 9 s, reads go on without an error, writes after one; all frozen: calls settle in time', async () => {
    await using etcd = await startEtcd({ members: 3 });
    await using kv = await openStore(etcd.endpoints, { requestTimeoutMs: 1000 });
    const [lease, other] = [await kv.grantLease(60, never), await kv.grantLease(60, never)];
    await kv.renewLease(lease, never);
    const reader = new Reader(kv, '/f/', (await revisionOf(kv)) + 1n);
    await kv.txn({ then: [put('/f/a')] }, never);
    await eventually(() => reader.events === 1);
    const frozenAt = performance.now();
    etcd.members[0]!.freeze();
    const [read, renewed, write] = await Promise.all([
      failureOf(kv.range('/f/', {}, never)),
      failureOf(kv.renewLease(lease, never)),
      failureOf(kv.txn({ then: [put('/f/b')] }, never)),
    ]);
    expect([read.code, renewed.code]).toEqual([
      expect.stringContaining('no failure'),
      expect.stringContaining('no failure'),
    ]);
    expect([write.code, write.details['ambiguous']]).toEqual(['STORE_UNAVAILABLE', true]);
    for (const { tookMs } of [read, renewed, write]) expect(tookMs).toBeLessThan(4000 + slackMs);
    // The others go on: at once when the frozen member did not lead, after an election when it did.
    await eventually(() => kv.txn({ then: [put('/f/c')] }, never));
    const started = performance.now();
    for (let n = 0; n < 20; n += 1) await kv.txn({ then: [put('/f/d')] }, never);
    expect(performance.now() - started).toBeLessThan(4000); // through the frozen member each one would take that long

    await eventually(() => reader.code !== undefined, { timeoutMs: 12_000 });
    expect(reader.code).toBe('STORE_WATCH_LOST');
    expect(performance.now() - frozenAt).toBeLessThan(9000 + slackMs);

    for (const member of etcd.members) member.freeze();
    const outcomes = await Promise.all([
      failureOf(kv.range('/f/', {}, never)),
      failureOf(kv.txn({ then: [put('/f/e')] }, never)),
      failureOf(kv.grantLease(60, never)),
      failureOf(kv.renewLease(lease, never)),
      failureOf(kv.revokeLease(other, never)),
      failureOf(kv.compact(2n, never)),
    ]);
    for (const { code, tookMs } of outcomes) {
      expect(code).toBe('STORE_UNAVAILABLE');
      expect(tookMs).toBeLessThan(4 * 1000 + slackMs);
    }
    for (const member of etcd.members) member.thaw();
    await eventually(() => kv.renewLease(lease, never));
  });

  // Difference: members.ts, `withinMs`: a try that lasts as long as the renewal may is given up by its caller, and the member is never left.
  it('a frozen member: a lease of 3 s that is renewed through it is kept through another', async () => {
    await using etcd = await startEtcd({ members: 3 });
    const leader = await etcd.leader();
    const follower = etcd.members.find((member) => member !== leader)!;
    const others = etcd.members.filter((member) => member !== follower);
    const endpoints = [follower, ...others].map(({ endpoint }) => endpoint);
    await using kv = await openStore(endpoints, { requestTimeoutMs: 1000 });
    const events: string[] = [];
    const keeper = new LeaseKeeper({
      kv,
      ttlSec: 3,
      clock: systemClock,
      random: Math.random,
      log: ({ kind }) => events.push(kind),
    });
    await keeper.acquire(never);
    const end = new AbortController();
    const kept = keeper.run(end.signal).catch(() => undefined);
    follower.freeze();
    await delay(6000);
    follower.thaw();
    expect(events).not.toContain('overdue');
    expect(keeper.state).toBe('held');
    end.abort();
    await kept;
  });

  // Difference: members.ts; what was acknowledged is there, and what was not fails as ambiguous or not at all.
  it('the leader killed: writes go on after a gap, none that was acknowledged is lost, and reads see no error', async () => {
    await using etcd = await startEtcd({ members: 3 });
    const leader = await etcd.leader();
    const others = etcd.endpoints.filter((endpoint) => endpoint !== leader.endpoint);
    await using kv = await openStore([leader.endpoint, ...others], { requestTimeoutMs: 2000 });
    const acknowledged: string[] = [];
    const ambiguous: string[] = [];
    const run = { on: true };
    let gapMs = 0;
    const writer = async (id: number): Promise<void> => {
      let last = performance.now();
      for (let n = 0; run.on; n += 1) {
        const key = `/k/${id}-${n}`;
        try {
          await kv.txn({ then: [put(key)] }, never);
          acknowledged.push(key);
          gapMs = Math.max(gapMs, performance.now() - last);
          last = performance.now();
        } catch (error) {
          expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', details: { ambiguous: true } });
          ambiguous.push(key);
        }
      }
    };
    const readErrors: unknown[] = [];
    const readAll = async (): Promise<void> => {
      while (run.on) await kv.range('/none/', {}, never).catch((error) => readErrors.push(error));
    };
    const work = [...Array.from({ length: 8 }, (_, id) => writer(id)), readAll()];
    await eventually(() => acknowledged.length > 200);
    await leader.kill();
    const before = acknowledged.length;
    await eventually(() => acknowledged.length > before + 500);
    run.on = false;
    await Promise.all(work);
    const keys = new Set((await kv.range('/k/', {}, never)).kvs.map(({ key }) => key));
    expect(acknowledged.filter((key) => !keys.has(key))).toEqual([]);
    expect(readErrors).toEqual([]);
    expect(gapMs).toBeLessThan(6000);
  });

  // Difference: store.ts, `leftSec <= 0`; keep-alives.ts ends a renewal in time, so that its owner can step down before the lease ends.
  it('a lease that is lost is told at once, and one that cannot be renewed within the bound', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints, { requestTimeoutMs: 500 });
    const lease = await kv.grantLease(60, never);
    const lost = await kv.grantLease(60, never);
    expect(await kv.renewLease(lease, never)).toMatchObject({ leftSec: 60 });
    await etcd.etcdctl(['lease', 'revoke', BigInt(lost).toString(16)]);
    const [gone, renewal] = await Promise.all([
      failureOf(kv.renewLease(lost, never)),
      kv.renewLease(lease, never),
    ]);
    expect([gone.code, renewal.leftSec]).toEqual(['STORE_LEASE_GONE', 60]);
    expect((await failureOf(kv.txn({ then: [{ ...put('/l'), lease: lost }] }, never))).code).toBe(
      'STORE_LEASE_GONE',
    );
    etcd.members[0]!.freeze();
    const { code, tookMs } = await failureOf(kv.renewLease(lease, never));
    expect(code).toBe('STORE_UNAVAILABLE');
    expect(tookMs).toBeLessThan(2 * 500 + slackMs);
    etcd.members[0]!.thaw();
    await eventually(() => kv.renewLease(lease, never));
  });

  // Difference: store.ts calls checkTxn: etcd 3.4 takes a delete of any size, and every later read costs 4 ms.
  it('a delete of many keys is bounded by the limit of a txn', async () => {
    await using etcd = await startEtcd();
    await using kv = await openStore(etcd.endpoints);
    const then = Array.from(
      { length: 101 },
      (_, n) => ({ kind: 'delete', key: `/d/${n}` }) as const,
    );
    expect((await failureOf(kv.txn({ then }, never))).code).toBe('STORE_LIMIT');
  });

  // Difference: member.ts sends `token`, and explain() finds a stale one out (`tokenStale`).
  it('with users: a wrong password is said, and a token that etcd forgot is asked for again', async () => {
    await using etcd = await startEtcd();
    for (const line of ['user add root:secret', 'user grant-role root root', 'auth enable'])
      await etcd.etcdctl(line.split(' '));
    const login = { username: 'root', password: 'secret' };
    await using kv = await openStore(etcd.endpoints, { ...login, requestTimeoutMs: 3000 });
    await kv.txn({ then: [put('/u')] }, never);
    await using wrong = await openStore(etcd.endpoints, { username: 'root', password: 'guess' });
    const failure = await failureOf(wrong.range('/u', {}, never));
    expect(failure.code).toBe('STORE_UNAVAILABLE');
    expect(failure.tookMs).toBeLessThan(1000);
    await changePassword(etcd.endpoints[0]!, { name: 'root', password: 'secret' });
    expect((await kv.range('/u', {}, never)).kvs.length).toBe(1);
    const reader = new Reader(kv, '/u', (await revisionOf(kv)) + 1n);
    await kv.txn({ then: [put('/u')] }, never);
    await eventually(() => reader.events === 1);
    await reader.stop();
  });
});

/** Gives the user the password that it has; etcd forgets its tokens then. */
async function changePassword(
  endpoint: string,
  login: { name: string; password: string },
): Promise<void> {
  const post = async (path: string, token = ''): Promise<{ token: string }> => {
    const answer = await fetch(endpoint + path, {
      method: 'POST',
      body: JSON.stringify(login),
      headers: token === '' ? {} : { authorization: token },
    });
    expect(answer.status).toBe(200);
    return (await answer.json()) as { token: string };
  };
  const { token } = await post('/v3/auth/authenticate');
  await post('/v3/auth/user/changepw', token);
}
