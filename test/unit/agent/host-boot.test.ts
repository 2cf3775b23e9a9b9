import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../agent/disk.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import { FleetError } from '../../../src/model/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { FaultyKv } from '../../support/faulty-kv.ts';
import { Cluster, MACHINE, startHost, type TestHost } from '../../support/test-host.ts';

const service = (...options: string[]): string =>
  `[Service]\nExecStart=/bin/true\n[X-Fleet]\n${options.join('\n')}\n`;
const away = new FleetError('STORE_UNAVAILABLE', 'the store is away');

let kv: FaultyKv;
let close: () => Promise<void>;
let systemd: FakeSystemd;
let cluster: Cluster;
let dir: string;
let running: TestHost[];

const start = async (boot: string, disk?: Disk): Promise<TestHost> => {
  const host = await startHost({ kv, systemd, dir, boot, ...(disk === undefined ? {} : { disk }) });
  running.push(host);
  return host;
};
/** Power cut: systemd knows nothing any more, and /run is empty. */
const cutPower = async (host: TestHost): Promise<void> => {
  await host.kill();
  systemd = new FakeSystemd();
  rmSync(join(dir, 'units'), { recursive: true });
};
const quickly = (check: () => boolean | Promise<boolean>) =>
  eventually(check, { timeoutMs: 4000, everyMs: 5 });
const list = (): { assignments: string[]; globals: string[] } =>
  JSON.parse(readFileSync(join(dir, 'desired/units.json'), 'utf8')) as never;

beforeEach(() => {
  const store = openEmbeddedStore({ memory: true, clock: systemClock });
  close = () => store.close();
  kv = new FaultyKv(store, systemClock);
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  dir = mkdtempSync(join(tmpdir(), 'fleet-boot-'));
  running = [];
});
afterEach(async () => {
  for (const host of running) await host.kill();
  await close();
  rmSync(dir, { recursive: true, force: true });
});

describe('Host after a boot without the store', () => {
  const assign = async (): Promise<void> => {
    await cluster.assign({
      'plain.service': service(),
      'pinned.service': service(`MachineID=${MACHINE}`),
      'asked.service': service('BootWithoutStore=yes'),
    });
    await cluster.global('every.service', service('Global=true'));
    await cluster.global('never.service', service('Global=true', 'BootWithoutStore=no'));
  };

  it('starts what no other host may run, the rest when the store is there, and nothing twice', async () => {
    await assign();
    const first = await start('boot-1');
    await quickly(() => systemd.active().length === 5);
    await quickly(() => list().assignments.length === 3);
    await cutPower(first);
    kv.faults.fails = away;
    const { host } = await start('boot-2');
    host.startFromDisk();
    const alone = ['asked.service', 'every.service', 'pinned.service'];
    await quickly(() => systemd.active().length === 3);
    expect(systemd.active().toSorted()).toEqual(alone);
    const runs = alone.map((name) => systemd.units.get(name)!.invocation);
    kv.faults.fails = undefined;
    await quickly(() => systemd.active().length === 5);
    await quickly(async () => (await cluster.row('pinned.service'))?.job === 'done');
    expect(alone.map((name) => systemd.units.get(name)!.invocation)).toEqual(runs);
    expect(systemd.count('stop')).toBe(0);
    expect(systemd.count('start pinned.service')).toBe(1);
  });

  it('starts nothing from the disk before it is told to, and nothing that left in good order', async () => {
    await assign();
    const first = await start('boot-1');
    await quickly(() => systemd.active().length === 5);
    first.host.leave();
    await first.host.unitsGone(new AbortController().signal);
    await quickly(() => list().assignments.length === 0 && list().globals.length === 0);
    await cutPower(first);
    kv.faults.fails = away;
    const { host } = await start('boot-2');
    host.startFromDisk();
    await quickly(() => (host.dump() as { known: boolean }).known);
    await quickly(() => list().globals.length === 0);
    expect(systemd.count('start')).toBe(0);
  });

  it('stops what was moved meanwhile, when the store says so', async () => {
    await assign();
    const first = await start('boot-1');
    await quickly(() => systemd.active().length === 5);
    await cutPower(first);
    await cluster.release('asked.service');
    kv.faults.fails = away;
    const { host } = await start('boot-2');
    host.startFromDisk();
    await quickly(() => systemd.active().includes('asked.service'));
    kv.faults.fails = undefined;
    await quickly(() => !systemd.active().includes('asked.service'));
    await quickly(() => systemd.active().length === 4);
  });

  it('runs its units also where the disk takes nothing', async () => {
    await assign();
    const full: Disk = {
      ...localDisk,
      create: (path, contents) =>
        path.includes('/desired/')
          ? Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' }))
          : localDisk.create(path, contents),
    };
    await start('boot-1', full);
    await quickly(() => systemd.active().length === 5);
  });
});
