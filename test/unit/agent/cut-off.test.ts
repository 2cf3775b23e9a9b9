import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localDisk } from '../../../agent/local-disk.ts';
import { Permits } from '../../../agent/permits.ts';
import { FleetError } from '../../../src/model/errors.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CutOffFixture, quickly } from '../../support/cut-off-fixture.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import type { FaultyKv } from '../../support/faulty-kv.ts';
import { HandLease } from '../../support/hand-lease.ts';
import { MACHINE, type Cluster, type TestHost } from '../../support/test-host.ts';

const TTL_MS = 30_000;
const stops = (mark = '', ...options: string[]): string =>
  [mark, '[Service]', 'ExecStart=/bin/true', '[X-Fleet]', 'OnPartition=stop', ...options, ''].join(
    '\n',
  );
const plain = '[Service]\nExecStart=/bin/true\n';

let fixture: CutOffFixture;
let kv: FaultyKv;
let systemd: FakeSystemd;
let cluster: Cluster;
let lease: HandLease;
let dir: string;

const start = (boot?: string): Promise<TestHost> => fixture.start(boot);
const alarms = (): string[] => fixture.alarms();
const steady = (name: string): Promise<void> => fixture.steady(name);
const permit = (name: string): boolean => existsSync(join(dir, 'permit', name));
const tokenOf = (name: string): number =>
  Number(readFileSync(join(dir, 'env', name), 'utf8').split('=')[1]);

beforeEach(() => {
  fixture = new CutOffFixture(TTL_MS);
  ({ kv, systemd, cluster, lease, dir } = fixture);
});
afterEach(() => fixture.end());

describe('Host with units that stop when it is cut off', () => {
  it('starts one only with alarms set, and sets them anew at each renewal', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# stop-timeout=2000') });
    await start();
    await steady('a.service');
    await steady('b.service');
    expect(alarms()).toEqual([
      'kill a.service b.service 1 s before',
      'stop a.service 10 s before',
      'stop b.service 3 s before',
    ]);
    const names = [...systemd.alarmsSet.keys()];
    expect(readFileSync(join(dir, 'systemd/a.service.d/50-fleet.conf'), 'utf8')).toContain(
      `[Unit]\nAssertPathExists=${dir}/permit/a.service\n`,
    );
    lease.renew(TTL_MS + 1000);
    await quickly(() => !names.some((name) => systemd.alarmsSet.has(name)));
    await quickly(() => systemd.alarmsSet.size === 3);
  });

  it('counts from the renewal of when systemd answers, not of when it was asked', async () => {
    lease.renew();
    const [alarmsOf, setAlarms] = [systemd.alarms.bind(systemd), systemd.setAlarms.bind(systemd)];
    let leftMs = TTL_MS;
    systemd.alarms = async (prefix) => {
      const names = await alarmsOf(prefix);
      lease.renew((leftMs += TTL_MS)); // it took its time
      return names;
    };
    const stopsBefore = new Set<string>();
    systemd.setAlarms = async (all) => {
      await setAlarms(all);
      for (const each of alarms()) stopsBefore.add(each);
    };
    await cluster.assign({ 'a.service': stops() });
    await start();
    await steady('a.service');
    expect([...stopsBefore]).toEqual(['kill a.service 1 s before', 'stop a.service 10 s before']);
  });

  it('starts none while an alarm rings that would stop it', async () => {
    lease.renew();
    systemd.ringing = true;
    await cluster.assign({ 'a.service': stops() });
    await start();
    await quickly(async () => (await cluster.row('a.service'))?.loadState === 'loaded');
    await systemClock.sleep(300, new AbortController().signal);
    expect([systemd.count('start a.service'), permit('a.service')]).toEqual([0, false]);
    systemd.ringing = false;
    lease.renew(TTL_MS + 1000);
    await steady('a.service');
    expect([systemd.active(), permit('a.service')]).toEqual([['a.service'], true]);
  });

  it('starts again what an alarm has stopped, when the lease is renewed and its key is still there', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'keeps.service': plain });
    await start();
    await steady('a.service');
    const before = tokenOf('a.service');
    kv.faults.fails = new FleetError('STORE_UNAVAILABLE', 'cut off');
    systemd.ring(systemClock.now() + TTL_MS);
    expect([systemd.active(), permit('a.service')]).toEqual([['keeps.service'], false]);
    kv.faults.fails = undefined;
    lease.renew(TTL_MS + 1000);
    await quickly(() => systemd.active().length === 2);
    expect(tokenOf('a.service')).toBeGreaterThan(before);
    expect([systemd.count('start a.service'), systemd.count('start keeps')]).toEqual([2, 1]);
    expect(permit('a.service')).toBe(true);
  });

  it('does so also where fleetd was dead when the alarm rang', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops() });
    const first = await start();
    await steady('a.service');
    await first.kill();
    systemd.ring(systemClock.now() + TTL_MS);
    expect(systemd.active()).toEqual([]);
    await start();
    lease.renew(TTL_MS + 1000);
    await quickly(() => systemd.active().includes('a.service'));
  });

  it('starts nothing again that had ended by itself before', async () => {
    lease.renew();
    await cluster.assign({ 'once.service': stops('# oneshot'), 'a.service': stops() });
    await start();
    await steady('once.service');
    await steady('a.service');
    systemd.ring(systemClock.now() + TTL_MS);
    expect([permit('once.service'), permit('a.service')]).toEqual([false, false]);
    lease.renew(TTL_MS + 2000);
    await quickly(() => systemd.active().includes('a.service'));
    await quickly(async () => (await cluster.row('once.service'))?.job === 'done');
    expect(systemd.count('start once.service')).toBe(1);
  });

  it('nor what ended by itself while no fleetd was there, the second time neither', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# b') });
    const first = await start();
    await steady('a.service');
    await steady('b.service');
    await first.kill();
    systemd.fail('a.service');
    for (const times of [1, 2]) {
      systemd.ring(systemClock.now() + 2 * TTL_MS);
      expect([permit('a.service'), permit('b.service')]).toEqual([false, false]);
      const next = await start();
      lease.renew(TTL_MS + times * 1000);
      await quickly(() => systemd.active().includes('b.service'));
      await quickly(() => systemd.count('start b.service') === 1 + times);
      await quickly(() => systemd.alarmsSet.size === 2);
      expect(readdirSync(join(dir, 'cut-off'))).toEqual([]);
      await next.kill();
    }
    expect(systemd.count('start a.service')).toBe(1);
  });

  it('starts again what an alarm could not note', async () => {
    lease.renew();
    await cluster.assign({ 'once.service': stops('# oneshot') });
    const first = await start();
    await steady('once.service');
    await first.kill();
    rmSync(join(dir, 'cut-off'), { recursive: true });
    systemd.ring(systemClock.now() + TTL_MS);
    await start();
    lease.renew(TTL_MS + 1000);
    await quickly(() => systemd.count('start once.service') === 2);
  });

  it('lets a version without the option run on where an alarm of the one before it was set', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# b') });
    await start();
    await steady('a.service');
    await steady('b.service');
    await cluster.assign({ 'a.service': plain });
    await quickly(() => systemd.count('start a.service') === 2);
    systemd.ring(systemClock.now() + TTL_MS);
    expect(systemd.active()).toEqual(['a.service']);
  });

  it('starts such a version only when no alarm rings that may be for the one before it', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# b') });
    await start();
    await steady('a.service');
    await steady('b.service');
    systemd.ringing = true;
    await cluster.assign({ 'a.service': plain, 'c.service': plain });
    await steady('c.service');
    await systemClock.sleep(300, new AbortController().signal);
    expect(systemd.count('start a.service')).toBe(1);
    systemd.ringing = false;
    await quickly(() => systemd.count('start a.service') === 2);
  });

  it('starts such a version behind the alarms of an earlier fleetd, where it cannot take them away', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# b') });
    const first = await start();
    await steady('a.service');
    await steady('b.service');
    await first.kill();
    await cluster.assign({ 'a.service': plain });
    fixture.lease = lease = new HandLease(TTL_MS); // this host does not reach the store's leases
    await start();
    await quickly(() => systemd.active().join(' ') === 'b.service');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(systemd.count('start a.service')).toBe(1);
    systemd.ring(systemClock.now() + TTL_MS);
    await quickly(() => systemd.count('start a.service') === 2);
    expect(systemd.active()).toEqual(['a.service']);
  });

  it('takes it away instead where it was placed elsewhere meanwhile', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops() });
    await start();
    await steady('a.service');
    systemd.ring(systemClock.now() + TTL_MS);
    await cluster.release('a.service');
    lease.renew(TTL_MS + 1000);
    await quickly(() => systemd.linked.size === 0);
    await quickly(() => systemd.alarmsSet.size === 0);
    expect(systemd.count('start a.service')).toBe(1);
    expect([permit('a.service'), existsSync(join(dir, 'systemd/a.service.d'))]).toEqual([
      false,
      false,
    ]);
  });

  it('starts none without a lease, nor where the time left is that of stopping', async () => {
    await cluster.assign({ 'a.service': stops(), 'plain.service': plain });
    await start();
    await steady('plain.service');
    await quickly(() => systemd.linked.has('a.service'));
    lease.renew(9_000);
    await quickly(() => existsSync(join(dir, 'env/a.service')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([systemd.count('start a.service'), permit('a.service')]).toEqual([0, false]);
    lease.renew();
    await quickly(() => systemd.active().includes('a.service'));
  });

  it('leaves the alarms in their place while renewals fail and when fleetd ends', async () => {
    lease.renew();
    await cluster.assign({ 'a.service': stops() });
    const first = await start();
    await steady('a.service');
    await quickly(() => systemd.alarmsSet.size === 2);
    const names = [...systemd.alarmsSet.keys()];
    await first.kill();
    expect([...systemd.alarmsSet.keys()]).toEqual(names);
    fixture.lease = lease = new HandLease(TTL_MS);
    const { host } = await start();
    await quickly(() => (host.dump() as { synced: boolean }).synced);
    expect([...systemd.alarmsSet.keys()]).toEqual(names);
    lease.renew(TTL_MS + 1000);
    await quickly(() => !systemd.alarmsSet.has(names[0]!) && systemd.alarmsSet.size === 2);
    expect(systemd.count('start a.service')).toBe(1);
  });

  it('takes the alarm that kills away before those that stop: it alone would end units for good', async () => {
    await cluster.assign({ 'a.service': stops() });
    lease.renew();
    await start();
    await quickly(() => systemd.active().includes('a.service'));
    const clear = systemd.clearAlarms.bind(systemd);
    let isLast = false;
    systemd.clearAlarms = async (names) => {
      if (names.length === 0) return;
      if (isLast) throw new FleetError('DBUS_TIMEOUT', 'systemd did not answer in time');
      isLast = true;
      await clear(names);
    };
    const before = [...systemd.alarmsSet.keys()];
    lease.renew(2 * TTL_MS);
    await quickly(() => isLast);
    const left = before.filter((name) => systemd.alarmsSet.has(name));
    expect(left).toEqual(before.filter((name) => name.includes('-stop-')));
  });

  it('starts none from the disk', async () => {
    lease.renew();
    const pinned = `MachineID=${MACHINE}`;
    await cluster.assign({
      'a.service': stops('', pinned),
      'b.service': `${plain}[X-Fleet]\n${pinned}\n`,
    });
    const first = await start();
    await steady('a.service');
    await steady('b.service');
    await first.kill();
    fixture.systemd = systemd = new FakeSystemd();
    for (const name of ['units', 'permit', 'env', 'systemd'])
      rmSync(join(dir, name), { recursive: true });
    kv.faults.fails = new FleetError('STORE_UNAVAILABLE', 'away');
    const { host } = await start('boot-2');
    host.startFromDisk();
    await quickly(() => systemd.active().includes('b.service'));
    expect(systemd.linked.has('a.service')).toBe(false);
  });
});

describe('Permits', () => {
  const name = 'a.service' as UnitName;

  it('grants nothing where the timer has fired since the time was looked at', async () => {
    const permits = new Permits(localDisk, join(dir, 'permit'));
    const [offer = ''] = permits.filesOf(name);
    const fires = (): boolean => {
      rmSync(offer);
      return true;
    };
    expect(await permits.grant(name, fires)).toBe(false);
    expect(await permits.has(name)).toBe(false);
    expect(await permits.grant(name, () => false)).toBe(false);
    expect(existsSync(offer)).toBe(false);
    expect(await permits.grant(name, () => true)).toBe(true);
    expect(await permits.has(name)).toBe(true);
    await permits.remove(name);
    expect(await permits.has(name)).toBe(false);
  });
});
