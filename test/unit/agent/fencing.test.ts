import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { FaultyKv } from '../../support/faulty-kv.ts';
import { Cluster, MACHINE, keys, startHost, type TestHost } from '../../support/test-host.ts';

const fenced = (...options: string[]): string =>
  ['[Service]', 'ExecStart=/bin/true', '[X-Fleet]', 'Fence=yes', ...options, ''].join('\n');

let stores: Kv[];
let kv: FaultyKv;
let systemd: FakeSystemd;
let cluster: Cluster;
let dir: string;
let running: TestHost[];

const openStore = (): Kv => {
  const store = openEmbeddedStore({ memory: true, clock: systemClock });
  stores.push(store);
  return store;
};
const start = async (boot = 'boot-1'): Promise<TestHost> => {
  const host = await startHost({ kv, systemd, dir, boot });
  running.push(host);
  return host;
};
/** A host whose lease has so many ms left. */
const startWith = async (leftMs: () => number): Promise<void> => {
  const lease = {
    ttlMs: 30_000,
    deadlineMs: () => systemClock.bootMs() + leftMs(),
    renewed: (signal: AbortSignal) => systemClock.sleep(2 ** 30, signal),
  };
  running.push(await startHost({ kv, systemd, dir, boot: 'boot-1', lease }));
};
/** Such a one with a fenced unit, once another has started. */
const startBeside = async (leftMs: () => number): Promise<void> => {
  await cluster.assign({ 'a.service': fenced(), 'b.service': '[Service]\nExecStart=/bin/true\n' });
  await startWith(leftMs);
  await started('b.service', 1);
};
const quickly = (check: () => boolean | Promise<boolean>) =>
  eventually(check, { timeoutMs: 4000, everyMs: 5 });
const tokenOf = (name: string): number =>
  Number(/^FLEET_GENERATION=(\d+)\n$/.exec(readFileSync(join(dir, 'env', name), 'utf8'))?.[1]);
const started = (name: string, generation: number): Promise<unknown> =>
  quickly(async () => {
    const row = await cluster.row(name);
    return row?.started === generation && row.job === 'done';
  });

beforeEach(() => {
  stores = [];
  kv = new FaultyKv(openStore(), systemClock);
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  dir = mkdtempSync(join(tmpdir(), 'fleet-fence-'));
  running = [];
});
afterEach(async () => {
  for (const host of running) await host.kill();
  for (const store of stores) await store.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('Host with fenced units', () => {
  it('gives each start a greater token, in a file that its drop-in names', async () => {
    await cluster.assign({ 'a.service': fenced() }, 'launched', 5);
    await start();
    await started('a.service', 5);
    expect(tokenOf('a.service')).toBe(6);
    const dropIn = readFileSync(join(dir, 'systemd/a.service.d/50-fleet.conf'), 'utf8');
    expect(dropIn).toContain(`[Service]\nEnvironmentFile=-${dir}/env/a.service\n`);
    await cluster.assign({ 'a.service': fenced() }, 'loaded', 6);
    await quickly(() => systemd.active().length === 0);
    await cluster.assign({ 'a.service': fenced(), 'b.service': fenced() }, 'launched', 7);
    await started('a.service', 7);
    await started('b.service', 7);
    // Above its generation, and above what 'b' took: 9 where that started first, while 'a' was still seen to stop.
    expect([8, 9]).toContain(tokenOf('a.service'));
  });

  it('lets no start go whose machine may have been given up while its token was on the way', async () => {
    let leftMs = -1;
    const hasToken = (): boolean => existsSync(join(dir, 'env/a.service'));
    await startBeside(() => (hasToken() ? leftMs : 30_000));
    await quickly(hasToken);
    const late = tokenOf('a.service');
    expect(systemd.active()).toEqual(['b.service']);
    leftMs = 30_000;
    await started('a.service', 1);
    expect(tokenOf('a.service')).toBeGreaterThan(late);
  });

  it('takes no token while its machine may have been given up', async () => {
    await startBeside(() => -Infinity);
    await systemClock.sleep(600, new AbortController().signal);
    expect(existsSync(join(dir, 'env/a.service'))).toBe(false);
  });

  it('lets no start go that came to its turn at systemd when its machine may have been given up', async () => {
    let leftMs = 30_000;
    const turn = Promise.withResolvers<void>();
    let waiting = 0;
    const start = systemd.start.bind(systemd);
    systemd.start = async (...args) => {
      waiting += 1;
      await turn.promise;
      return await start(...args);
    };
    await cluster.assign({ 'a.service': fenced() });
    await startWith(() => leftMs);
    await quickly(() => waiting === 1);
    const first = tokenOf('a.service');
    leftMs = -1;
    turn.resolve();
    await systemClock.sleep(100, new AbortController().signal);
    expect(systemd.active()).toEqual([]);
    leftMs = 30_000;
    await started('a.service', 1);
    expect(tokenOf('a.service')).toBeGreaterThan(first);
  });

  it('leaves nothing of it behind', async () => {
    await cluster.assign({ 'a.service': fenced(), 'b.service': fenced() });
    await start();
    await started('a.service', 1);
    await started('b.service', 1);
    await cluster.release('a.service');
    await cluster.assign({ 'b.service': '[Service]\nExecStart=/bin/true\n' }, 'launched', 2);
    await started('b.service', 2);
    await quickly(() => systemd.linked.size === 1);
    expect([readdirSync(join(dir, 'env')), readdirSync(join(dir, 'systemd'))]).toEqual([[], []]);
  });

  it('gives a recreated name, and a store that went back, greater tokens still', async () => {
    await cluster.assign({ 'a.service': fenced() }, 'launched', 30);
    const first = await start();
    await started('a.service', 30);
    await cluster.release('a.service');
    await quickly(() => systemd.linked.size === 0);
    await cluster.assign({ 'a.service': fenced() }, 'launched', 1);
    await started('a.service', 1);
    expect(tokenOf('a.service')).toBe(32);
    await first.kill();
    kv.revertTo(openStore());
    await cluster.assign({ 'b.service': fenced() });
    await start();
    await started('b.service', 1);
    expect(tokenOf('b.service')).toBe(33);
  });

  it('tells a store that went back of the highest token, for the other hosts', async () => {
    await cluster.assign({ 'a.service': fenced() }, 'launched', 30);
    const first = await start();
    await started('a.service', 30);
    await first.kill();
    const restored = openStore();
    kv.revertTo(restored);
    await start();
    await quickly(async () => {
      const { kvs } = await restored.range(keys.fence, {}, new AbortController().signal);
      return kvs[0]?.value === '{"v":1,"token":31}';
    });
  });

  it('starts no fenced unit whose key has changed since, nor while the store is away', async () => {
    await cluster.assign({ 'a.service': '[Service]\nExecStart=/bin/true\n' });
    await start();
    await started('a.service', 1);
    await cluster.assign({ 'b.service': `# hang-start\n${fenced()}` }, 'loaded');
    await quickly(() => systemd.linked.has('b.service'));
    await cluster.assign({ 'b.service': `# hang-start\n${fenced()}` }, 'launched', 2);
    kv.faults.fails = new FleetError('STORE_UNAVAILABLE', 'away');
    await quickly(() => existsSync(join(dir, 'carried-out.json')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(systemd.count('start b.service')).toBe(0);
    kv.faults.fails = undefined;
    await quickly(() => systemd.count('start b.service') === 1);
  });

  it('starts what no other host may run from the disk, with a token that this host has not given before', async () => {
    await cluster.assign({ 'a.service': fenced(`MachineID=${MACHINE}`) });
    const first = await start();
    await started('a.service', 1);
    expect(tokenOf('a.service')).toBe(2);
    await first.kill();
    systemd = new FakeSystemd();
    for (const name of ['units', 'env', 'systemd']) rmSync(join(dir, name), { recursive: true });
    kv.faults.fails = new FleetError('STORE_UNAVAILABLE', 'away');
    const { host } = await start('boot-2');
    host.startFromDisk();
    await quickly(() => systemd.active().includes('a.service'));
    expect(tokenOf('a.service')).toBe(3);
    kv.faults.fails = undefined;
    await cluster.assign({ 'b.service': fenced() });
    await started('b.service', 1);
    expect(tokenOf('b.service')).toBe(4);
    expect(systemd.count('start a.service')).toBe(1);
  });
});
