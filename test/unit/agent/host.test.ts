import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { Cluster, MACHINE, keys, startHost, type TestHost } from '../../support/test-host.ts';

const service = (marks = ''): string => `${marks}[Service]\nExecStart=/bin/true\n`;

let kv: Kv;
let systemd: FakeSystemd;
let cluster: Cluster;
let dir: string;
let running: TestHost[];

const start = async (): Promise<TestHost> => {
  const host = await startHost({ kv, systemd, dir, metadata: { role: 'web' } });
  running.push(host);
  return host;
};
const rowOf = (name: string) => cluster.row(name);
const quickly = <T>(check: () => T | Promise<T>) =>
  eventually(check, { timeoutMs: 4000, everyMs: 5 });

beforeEach(() => {
  kv = openEmbeddedStore({ memory: true, clock: systemClock });
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  dir = mkdtempSync(join(tmpdir(), 'fleet-host-'));
  running = [];
});
afterEach(async () => {
  for (const host of running) await host.kill();
  await kv.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('Host', () => {
  it('Host runs what is assigned, with one reload for a batch, and reports it', async () => {
    const units = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [`u${n}.service`, service(`# ${n}\n`)]),
    );
    await cluster.assign(units);
    await start();
    await quickly(() => systemd.active().length === 40);
    expect(systemd.count('reload')).toBe(1);
    expect(systemd.count('link')).toBe(1);
    await quickly(async () => (await cluster.keys('/fleet-test/state/')).length === 40);
    await quickly(async () => {
      const row = (await rowOf('u7.service'))!;
      expect(row).toMatchObject({
        machine: MACHINE,
        activeState: 'active',
        generation: 1,
        started: 1,
        job: 'done',
      });
      return true;
    });
  });

  it('Host stops what is released, takes it away and hands its key over', async () => {
    await cluster.assign({ 'a.service': service(), 'b.service': service() });
    await start();
    await quickly(() => systemd.active().length === 2);
    await cluster.release('a.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('a.service')));
    expect(systemd.active()).toEqual(['b.service']);
    expect([...systemd.linked.keys()]).toEqual(['b.service']);
  });

  it('Host ends at once while units hang in start and in stop, and goes on with them when it begins anew', async () => {
    await cluster.assign({
      'up.service': service('# hang-start\n'),
      'down.service': service('# hang-stop\n'),
    });
    const first = await start();
    await quickly(async () => (await rowOf('up.service'))?.job === 'running');
    await quickly(() => systemd.active().includes('down.service'));
    await cluster.release('down.service');
    await quickly(() => systemd.count('stop down.service') === 1);
    await first.kill();
    await start();
    systemd.release('up.service');
    await quickly(async () => (await rowOf('up.service'))?.job === 'done');
    systemd.release('down.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('down.service')));
    expect(systemd.count('start up.service')).toBe(1);
  });

  it('Host leaves nothing of a unit that systemd does not enable, and says why', async () => {
    const install = '[Install]\nWantedBy=multi-user.target\n';
    await cluster.assign({
      'bad.service': service('# bad-install\n') + install,
      'good.service': service() + install,
    });
    await start();
    await quickly(() => systemd.active().includes('good.service'));
    await quickly(async () => (await rowOf('bad.service'))?.refusal?.includes('bad [Install]'));
    expect([...systemd.linked.keys()]).toEqual(['good.service']);
    expect(readdirSync(join(dir, 'units'))).toEqual(['good.service']);
    await cluster.release('bad.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('bad.service')));
  });

  it('Host leaves nothing of a unit that is released after systemd was lost in the midst of its load', async () => {
    let isLost = true;
    class Lossy extends FakeSystemd {
      override async link(paths: readonly string[]): Promise<void> {
        await super.link(paths);
        if (isLost) throw new FleetError('DBUS_CLOSED', 'systemd is lost');
      }
    }
    systemd = new Lossy();
    const install = '[Install]\nWantedBy=multi-user.target\n';
    await cluster.assign({ 'a.service': service(), 'b.service': service() + install });
    await start();
    await quickly(() => systemd.count('link') > 0);
    await cluster.release('a.service');
    isLost = false;
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('a.service')));
    await quickly(() => systemd.active().includes('b.service'));
    expect([...systemd.linked.keys()]).toEqual(['b.service']);
    expect(readdirSync(join(dir, 'units'))).toEqual(['b.service']);
    await quickly(async () => (await rowOf('b.service'))?.generation === 1);
  });

  it('Host lets a unit whose file cannot be written, or whose link cannot be removed, hold up no other', async () => {
    await cluster.assign({ '.hidden.service': service(), 'a.service': service('# bad-disable\n') });
    await start();
    await quickly(() => systemd.active().includes('a.service'));
    await quickly(async () => (await rowOf('.hidden.service'))?.refusal?.includes('.hidden'));
    await cluster.assign({ 'b.service': service() });
    await quickly(() => systemd.active().includes('b.service'));
    await cluster.release('a.service', 'b.service', '.hidden.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('.service')));
    expect(readdirSync(join(dir, 'units'))).toEqual([]);
  });

  it('Host leaves although systemd refuses to stop a unit', async () => {
    await cluster.assign({ 'a.service': service('# refuse-stop\n'), 'b.service': service() });
    const { host } = await start();
    await quickly(() => systemd.active().length === 2);
    host.leave();
    const { signal } = new AbortController();
    await host.unitsGone(signal);
    expect(systemd.active()).toEqual(['a.service']);
    await host.handedOver(signal);
    const left = await cluster.keys(keys.scheduleOf(MACHINE));
    expect(left.map((key) => key.slice(key.lastIndexOf('/') + 1))).toEqual(['a.service']);
  });

  it('Host leaves although systemd has queued the stop of a unit behind the end of fleetd', async () => {
    await cluster.assign({ 'a.socket': service('# behind-fleetd\n'), 'b.service': service() });
    const { host } = await start();
    await quickly(() => systemd.active().length === 2);
    host.leave();
    const { signal } = new AbortController();
    await host.unitsGone(signal);
    expect(systemd.active()).toEqual([]);
    expect(systemd.count('stop-ahead')).toBe(1);
  });

  it('Host touches nothing and writes nothing when fleetd begins anew', async () => {
    await cluster.assign({ 'a.service': service(), 'b.service': service('# oneshot\n') });
    const first = await start();
    await quickly(async () => (await rowOf('b.service'))?.job === 'done');
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    await first.kill();
    const calls = systemd.calls.length;
    const revision = await cluster.revision();
    const second = await start();
    await quickly(
      () => (second.host.dump() as { synced: boolean }) && systemd.calls.length === calls,
    );
    await cluster.assign({ 'c.service': service('# c\n') });
    await quickly(async () => (await rowOf('c.service'))?.job === 'done');
    expect(systemd.calls.slice(calls).filter((call) => /[ab]\.service/.test(call))).toEqual([]);
    const rows = await kv.range(keys.states, {}, new AbortController().signal);
    const changed = rows.kvs.filter(({ modRevision }) => modRevision > revision);
    expect(changed.map(({ key }) => key)).toEqual([keys.state('c.service' as never, MACHINE)]);
  });

  it('Host adopts what runs when its records are lost', async () => {
    await cluster.assign({ 'a.service': service() });
    const first = await start();
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    await first.kill();
    rmSync(join(dir, 'carried-out.json'));
    const { invocation } = systemd.units.get('a.service')!;
    await start();
    await quickly(async () => (await rowOf('a.service'))?.started === 1);
    await quickly(() => systemd.active().length === 1);
    expect(systemd.units.get('a.service')!.invocation).toBe(invocation);
    expect(systemd.count('stop')).toBe(0);
  });

  it('Host leaves an orphan running, shows it, and adopts it again', async () => {
    await cluster.assign({ 'a.service': service() });
    await start();
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    await cluster.lose('a.service');
    await quickly(async () => (await cluster.keys()).includes(`c/orphan/${MACHINE}/a.service`));
    expect(await rowOf('a.service')).toBeUndefined();
    await cluster.assign({ 'a.service': service() });
    await quickly(async () => (await rowOf('a.service'))?.started === 1);
    await quickly(async () => !(await cluster.keys()).includes(`c/orphan/${MACHINE}/a.service`));
    expect(systemd.count('stop')).toBe(0);
    expect(systemd.count('start')).toBe(1);
  });

  it('Host swaps by stop, link, start; other comments restart nothing', async () => {
    await cluster.assign({ 'a.service': service() });
    await start();
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    const { invocation } = systemd.units.get('a.service')!;
    await cluster.assign({ 'a.service': service('# other comment\n') }, 'launched', 2);
    await quickly(async () => (await rowOf('a.service'))?.started === 2);
    expect(systemd.units.get('a.service')).toMatchObject({
      invocation,
      text: service('# other comment\n'),
    });
    await cluster.assign({ 'a.service': '[Service]\nExecStart=/bin/false\n' }, 'launched', 3);
    await quickly(async () => (await rowOf('a.service'))?.started === 3);
    expect(systemd.units.get('a.service')!.invocation).toBeGreaterThan(invocation);
    expect(systemd.count('stop')).toBe(1);
  });

  it('Host reports a unit that fails, with its Result, and does not start it again', async () => {
    await cluster.assign({ 'bad.service': service('# fail\n'), 'good.service': service() });
    await start();
    await quickly(async () => (await rowOf('bad.service'))?.result === 'exit-code');
    expect(await rowOf('bad.service')).toMatchObject({ job: 'failed', activeState: 'failed' });
    await quickly(() => systemd.active().includes('good.service'));
    expect(systemd.count('start bad')).toBe(1);
  });

  it('Host reports why a unit has failed since its start, until it is started again', async () => {
    await cluster.assign({ 'a.service': service() });
    await start();
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    systemd.fail('a.service');
    await quickly(async () => (await rowOf('a.service'))?.activeState === 'failed');
    expect(await rowOf('a.service')).toMatchObject({ job: 'done', result: 'exit-code' });
    await cluster.assign({ 'a.service': service() }, 'launched', 2);
    await quickly(async () => (await rowOf('a.service'))?.activeState === 'active');
    expect(await rowOf('a.service')).not.toHaveProperty('result');
  });

  it('Host looks at a file that systemd cannot use only when there is news', async () => {
    await cluster.assign({ 'bad.service': service('# bad-setting\n'), 'good.service': service() });
    await start();
    await quickly(async () => (await rowOf('bad.service'))?.job === 'failed');
    expect(await rowOf('bad.service')).toMatchObject({ loadState: 'bad-setting' });
    await quickly(async () => (await rowOf('good.service'))?.job === 'done');
    const settled = systemd.looks.length;
    const isAlone = () => {
      const last = systemd.looks.slice(settled).slice(-2);
      return last.length === 2 && last.every((name) => name === 'good.service');
    };
    await eventually(isAlone, { timeoutMs: 14_000 });
    expect(await rowOf('bad.service')).toMatchObject({ loadState: 'bad-setting' });
    await cluster.assign({ 'bad.service': service('# mended\n') }, 'launched', 2);
    await quickly(async () => (await rowOf('bad.service'))?.activeState === 'active');
  }, 20_000);

  it('Host takes a stop and a new state for a unit that hangs in its start', async () => {
    await cluster.assign({ 'slow.service': service('# hang-start\n') });
    await start();
    await quickly(async () => (await rowOf('slow.service'))?.activeState === 'activating');
    expect(await rowOf('slow.service')).toMatchObject({ job: 'running', started: 1 });
    await cluster.assign({ 'a.service': service() });
    await quickly(() => systemd.active().includes('a.service'));
    await cluster.assign({ 'slow.service': service('# hang-start\n') }, 'loaded', 2);
    await quickly(async () => (await rowOf('slow.service'))?.activeState === 'inactive');
    await quickly(async () => (await rowOf('slow.service'))?.generation === 2);
    expect((await rowOf('slow.service'))?.started).toBeUndefined();
  });

  it('Host lets a unit that hangs in its stop hold only itself', async () => {
    await cluster.assign({ 'slow.service': service('# hang-stop\n'), 'a.service': service() });
    await start();
    await quickly(() => systemd.active().length === 2);
    await cluster.release('slow.service', 'a.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('a.service')));
    expect((await rowOf('slow.service'))?.activeState).toBe('deactivating');
    systemd.release('slow.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('slow.service')));
  });

  it('Host refuses a name that systemd has from elsewhere, and leaves it alone when released', async () => {
    systemd.addForeign('ssh.service');
    await cluster.assign({ 'ssh.service': service() });
    await start();
    await quickly(async () => (await rowOf('ssh.service'))?.refusal?.includes('/lib/systemd'));
    await cluster.release('ssh.service');
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('ssh.service')));
    expect(systemd.calls).toEqual([]);
  });

  it('Host leaves a unit alone whose record or text cannot be read', async () => {
    await cluster.assign({ 'a.service': service() });
    await start();
    await quickly(async () => (await rowOf('a.service'))?.job === 'done');
    await cluster.put(keys.schedule(MACHINE, 'a.service' as never), '{"v":99}');
    await cluster.assign({ 'b.service': service('# b\n') });
    await quickly(() => systemd.active().length === 2);
    expect(systemd.count('stop')).toBe(0);
    expect(await cluster.keys(keys.orphans)).toEqual([]);
  });

  it('Host runs a global unit where its metadata allows it, until it no longer does', async () => {
    const text = `${service()}[X-Fleet]\nGlobal=true\nMachineMetadata=role=web\n`;
    await cluster.global('g.service', text);
    await cluster.global('h.service', text.replace('role=web', 'role=db'));
    await start();
    await quickly(async () => (await rowOf('g.service'))?.job === 'done');
    expect(systemd.active()).toEqual(['g.service']);
    const override = { v: 1, machine: MACHINE, key: 'role', value: 'db' };
    await cluster.put(keys.metadata(MACHINE, 'role'), JSON.stringify(override));
    await quickly(() => systemd.active().join() === 'h.service');
    await quickly(async () => (await rowOf('g.service')) === undefined);
  });

  it('Host gives everything away when it leaves, and keeps orphans', async () => {
    await cluster.assign({ 'a.service': service(), 'o.service': service('# o\n') });
    await cluster.global('g.service', service('# g\n'));
    const { host } = await start();
    await quickly(() => systemd.active().length === 3);
    await cluster.lose('o.service');
    await quickly(async () => (await cluster.keys(keys.orphans)).length === 1);
    host.leave();
    const { signal } = new AbortController();
    await host.unitsGone(signal);
    expect(systemd.active()).toEqual(['o.service']);
    await host.handedOver(signal);
    expect(await cluster.keys(keys.scheduleOf(MACHINE))).toEqual([]);
  });
});
