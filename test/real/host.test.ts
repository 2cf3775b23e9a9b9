// The agent's loop over a real systemd: what the fake one in test/unit/agent/host.test.ts is believed to do, and what it cannot.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openSystemd, type DbusSystemd } from '../../agent/dbus/systemd.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import type { Kv } from '../../src/store/kv.ts';
import { eventually } from '../support/eventually.ts';
import {
  privateSystemdMissing,
  startPrivateSystemd,
  type PrivateSystemd,
} from '../support/private-systemd.ts';
import { Cluster, MACHINE, keys, startHost, type TestHost } from '../support/test-host.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

const service = (command = '/bin/sleep infinity', more = ''): string =>
  `[Service]\nExecStart=${command}\n${more}`;
const forever = new AbortController().signal;

describe.skipIf(missing !== undefined)('Host on a real systemd', () => {
  let systemd: PrivateSystemd;
  let port: DbusSystemd;
  let kv: Kv;
  let cluster: Cluster;
  let dir: string;
  let running: TestHost[];
  let tests = 0;

  const start = async (): Promise<TestHost> => {
    const host = await startHost({ kv, systemd: port, dir });
    running.push(host);
    return host;
  };
  const activeState = (name: string): string =>
    systemd.systemctl('show', '-P', 'ActiveState', name).trim();
  const invocations = (names: readonly string[]): string =>
    systemd.systemctl('show', '-p', 'InvocationID', ...names);
  const names = (count: number, prefix: string): string[] =>
    Array.from({ length: count }, (_, n) => `${prefix}${n}.service`);

  beforeAll(async () => {
    systemd = await startPrivateSystemd();
  });
  afterAll(async () => {
    await systemd.stop();
  });
  beforeEach(() => {
    port = openSystemd({ address: systemd.privateAddress, clock: systemClock });
    kv = openEmbeddedStore({ memory: true, clock: systemClock });
    cluster = new Cluster(kv);
    tests += 1;
    dir = join(systemd.dir, `host-${tests}`);
    running = [];
  });
  afterEach(async () => {
    const last = running.at(-1);
    if (last !== undefined) {
      last.host.leave();
      await last.host.unitsGone(AbortSignal.timeout(30_000));
    }
    for (const host of running) await host.kill();
    await kv.close();
    await port.close();
  });

  it('Host runs what is assigned, reports it, and hands over what is released', async () => {
    await cluster.assign({
      'a.service': service(),
      'once.service': service('/bin/true', 'Type=oneshot\n'),
      'bad.service': service('/bin/false', 'Type=oneshot\n'),
      'with-install.service': service(undefined, '[Install]\nWantedBy=a.service\n'),
    });
    await start();
    await eventually(async () => (await cluster.row('a.service'))?.job === 'done');
    await eventually(async () => (await cluster.row('once.service'))?.job === 'done');
    // The job's end and systemd's words for the unit may come in two reports, in this order.
    await eventually(async () => {
      const row = await cluster.row('bad.service');
      return row?.result === 'exit-code' && row.activeState === 'failed';
    });
    expect(await cluster.row('bad.service')).toMatchObject({ job: 'failed' });
    expect(await cluster.row('a.service')).toMatchObject({
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
    });
    expect(systemd.systemctl('show', '-P', 'UnitFileState', 'a.service').trim()).toBe(
      'linked-runtime',
    );
    expect(systemd.systemctl('show', '-P', 'Wants', 'a.service')).toMatch('with-install.service');
    await cluster.release('a.service', 'bad.service', 'with-install.service');
    await eventually(async () => (await cluster.keys(keys.scheduleOf(MACHINE))).length === 1);
    expect(activeState('a.service')).toBe('inactive');
    expect(systemd.systemctl('show', '-P', 'LoadState', 'a.service').trim()).toBe('not-found');
    expect(systemd.systemctl('list-units', '--all', '--no-legend', 'bad.service').trim()).toBe('');
  });

  it('Host, begun anew over 100 units, touches none of them and writes nothing to the store', async () => {
    const all = names(100, 'u');
    await cluster.assign(Object.fromEntries(all.map((name) => [name, service()])));
    const first = await start();
    await eventually(async () => (await cluster.keys(keys.states)).length === 100);
    await eventually(async () => {
      const rows = await Promise.all(all.map((name) => cluster.row(name)));
      return rows.every((row) => row?.job === 'done' && row.activeState === 'active');
    });
    await first.kill();
    const before = invocations(all);
    const revision = await cluster.revision();
    const second = await start();
    await eventually(() => (second.host.dump() as { synced: boolean }).synced);
    // Its first reports are done when it has acted on what comes after.
    await cluster.assign({ 'last.service': service('/bin/sleep 1000') });
    await eventually(async () => (await cluster.row('last.service'))?.job === 'done');
    const { kvs } = await kv.range('/fleet-test/', {}, forever);
    const written = kvs.filter(({ modRevision }) => modRevision > revision).map(({ key }) => key);
    expect(
      written.filter((key) => !key.includes('last.service') && !key.includes('/file/')),
    ).toEqual([]);
    expect(invocations(all)).toBe(before);
  });

  it('Host swaps a unit, keeps it over other comments, and leaves an orphan running', async () => {
    await cluster.assign({ 'a.service': service() });
    await start();
    await eventually(async () => (await cluster.row('a.service'))?.job === 'done');
    const before = invocations(['a.service']);
    await cluster.assign({ 'a.service': `# why\n${service()}` }, 'launched', 2);
    await eventually(async () => (await cluster.row('a.service'))?.started === 2);
    expect(invocations(['a.service'])).toBe(before);
    await cluster.lose('a.service');
    await eventually(async () => (await cluster.keys(keys.orphans)).length === 1);
    expect(invocations(['a.service'])).toBe(before);
    await cluster.assign({ 'a.service': service('/bin/sleep 1234') }, 'launched', 3);
    await eventually(async () => (await cluster.row('a.service'))?.started === 3);
    expect(invocations(['a.service'])).not.toBe(before);
    expect(systemd.systemctl('show', '-P', 'ExecStart', 'a.service')).toMatch('1234');
  });

  it('Host has a 65th unit active within 2 s while 64 hang in start, and stops one that hangs', async () => {
    const hang = service('/bin/sleep infinity', 'Type=notify\nTimeoutStartSec=infinity\n');
    const all = names(64, 'hang');
    await cluster.assign(Object.fromEntries(all.map((name) => [name, hang])));
    await start();
    await eventually(async () => {
      const rows = await Promise.all(all.map((name) => cluster.row(name)));
      return rows.every((row) => row?.activeState === 'activating');
    });
    const asked = performance.now();
    await cluster.assign({ 'fast.service': service() });
    await eventually(async () => (await cluster.row('fast.service'))?.activeState === 'active');
    expect(performance.now() - asked).toBeLessThan(2000);
    await cluster.assign({ 'hang3.service': hang }, 'loaded', 2);
    await eventually(async () => (await cluster.row('hang3.service'))?.generation === 2);
    expect(activeState('hang3.service')).not.toBe('activating');
    expect(activeState('hang4.service')).toBe('activating');
  });

  it('Host loads a slice, which systemd makes up before there is a file of it', async () => {
    await cluster.assign({ 'fleettest.slice': '[Slice]\nCPUWeight=50\n' });
    await start();
    await eventually(async () => (await cluster.row('fleettest.slice'))?.job === 'done');
    expect(systemd.systemctl('show', '-P', 'CPUWeight', 'fleettest.slice').trim()).toBe('50');
    await cluster.release('fleettest.slice');
    await eventually(async () => (await cluster.row('fleettest.slice')) === undefined);
    expect(systemd.systemctl('show', '-P', 'FragmentPath', 'fleettest.slice').trim()).toBe('');
  });

  it('Host lets go of a unit that nobody may stop by hand, once it has ended', async () => {
    const text = `[Unit]\nRefuseManualStop=yes\n${service('/bin/true')}`;
    await cluster.assign({ 'nostop.service': text });
    await start();
    await eventually(async () => (await cluster.row('nostop.service'))?.job === 'done');
    await eventually(() => activeState('nostop.service') === 'inactive');
    await cluster.release('nostop.service');
    await eventually(async () => (await cluster.row('nostop.service')) === undefined);
  });

  it('Host refuses a name that systemd has from elsewhere', async () => {
    writeFileSync(join(systemd.dir, 'mine.service'), service('/bin/sleep 77'));
    systemd.systemctl('link', '--runtime', join(systemd.dir, 'mine.service'));
    systemd.systemctl('start', 'mine.service');
    const before = invocations(['mine.service']);
    await cluster.assign({ 'mine.service': service() });
    await start();
    await eventually(
      async () =>
        (await cluster.row('mine.service'))?.refusal?.includes(
          join(systemd.dir, 'mine.service'),
        ) === true,
    );
    await cluster.release('mine.service');
    await eventually(async () => (await cluster.keys(keys.scheduleOf(MACHINE))).length === 0);
    expect(invocations(['mine.service'])).toBe(before);
    expect(activeState('mine.service')).toBe('active');
    systemd.systemctl('stop', 'mine.service');
  });
});
