// What a batch of 500 units costs a host, counted: calls to systemd, and requests of the store. Who raises a limit says why.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decode } from '../../../src/registry/codec.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { CountingKv, notedOf, writesIn } from '../../support/counting-kv.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { Cluster, keys, startHost, type TestHost } from '../../support/test-host.ts';

const UNITS = 500;
const never = new AbortController().signal;
const units = Object.fromEntries(
  Array.from({ length: UNITS }, (_, n) => [`u${n}.service`, '[Service]\nExecStart=/bin/true\n']),
);

describe('Host, by count, for 500 units', () => {
  const systemd = new FakeSystemd();
  let store: Kv;
  let kv: CountingKv;
  let cluster: Cluster;
  let host: TestHost;
  let dir: string;

  /** With the first one. */
  const settled = async (activeState: string): Promise<void> => {
    await eventually(
      async () => {
        const { kvs } = await store.range(keys.states, {}, never);
        const rows = kvs.map(({ key, value }) => decode('state', key, value));
        return rows.filter((row) => row.activeState === activeState).length === UNITS + 1;
      },
      { timeoutMs: 20_000 },
    );
  };

  beforeAll(async () => {
    store = openEmbeddedStore({ memory: true, clock: systemClock });
    kv = new CountingKv(store);
    cluster = new Cluster(store);
    dir = mkdtempSync(join(tmpdir(), 'fleet-cost-'));
    host = await startHost({ kv, systemd, dir });
    await cluster.assign({ 'first.service': '[Service]\nExecStart=/bin/true\n' });
    // With its first report the host has read all that it reads once.
    await eventually(async () => (await cluster.row('first.service'))?.activeState === 'active');
  });
  afterAll(async () => {
    await host.kill();
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('starting them takes few reloads, one start each, and few requests', async () => {
    systemd.calls.length = 0;
    kv.take();
    await cluster.assign(units);
    await settled('active');
    expect(systemd.count('start ')).toBe(UNITS);
    // They come in ten transactions; more than one pass may be under way with the first of them.
    expect(systemd.count('reload')).toBeLessThanOrEqual(2);
    expect(systemd.count('link')).toBeLessThanOrEqual(2);
    expect(systemd.count('enable')).toBe(0);
    const noted = kv.take();
    expect(notedOf(noted, 'range')).toEqual([]);
    // Rows in transactions of 100: each unit is reported as started, and as done.
    expect(writesIn(noted).length).toBeLessThanOrEqual(2 * Math.ceil(UNITS / 100) + 10);
    expect(writesIn(noted).flatMap(({ put }) => put).length).toBeLessThanOrEqual(2 * UNITS + 100);
  });

  it('what is reported already is not written again', async () => {
    await eventually(
      async () => {
        kv.take();
        await systemClock.sleep(300, never);
        return writesIn(kv.take()).length === 0;
      },
      { timeoutMs: 20_000 },
    );
    const before = await cluster.revision();
    await systemClock.sleep(1_500, never);
    expect(await cluster.revision()).toBe(before);
    expect(kv.take().filter(({ kind }) => kind !== 'event')).toEqual([]);
  });

  it('releasing them takes few reloads, one stop each, and a deletion in few transactions', async () => {
    systemd.calls.length = 0;
    kv.take();
    await cluster.release(...Object.keys(units));
    await eventually(async () => (await cluster.keys(keys.schedules)).length === 1, {
      timeoutMs: 20_000,
    });
    expect(systemd.count('stop ')).toBe(UNITS);
    expect(systemd.count('reload')).toBeLessThanOrEqual(6);
    const noted = kv.take();
    expect(notedOf(noted, 'range')).toEqual([]);
    const deleted = writesIn(noted).filter((txn) => txn.deleted.length > 0);
    // A hand-over deletes key and row, 50 units a transaction.
    expect(deleted.length).toBeLessThanOrEqual(2 * Math.ceil(UNITS / 50));
  });
});
