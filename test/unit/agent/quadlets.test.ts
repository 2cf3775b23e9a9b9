// Quadlet files on a host: services in its directory, units to the cluster.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRuntimes, type FoundRuntimes } from '../../../agent/runtimes.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { Cluster, startHost, type TestHost } from '../../support/test-host.ts';

const CONTAINER = '[Container]\nImage=localhost/busybox\nVolume=data.volume:/data\n';
const PODMAN: FoundRuntimes = new Map([['podman', { program: '/opt/podman', version: '4.3' }]]);

let kv: Kv;
let systemd: FakeSystemd;
let cluster: Cluster;
let dir: string;
let running: TestHost[];

const start = async (runtimes: FoundRuntimes = PODMAN): Promise<TestHost> => {
  const host = await startHost({ kv, systemd, dir, runtimes });
  running.push(host);
  return host;
};
const quickly = <T>(check: () => T | Promise<T>) =>
  eventually(check, { timeoutMs: 4000, everyMs: 5 });
const files = (): readonly string[] => readdirSync(join(dir, 'units')).sort();

beforeEach(() => {
  kv = openEmbeddedStore({ memory: true, clock: systemClock });
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  dir = mkdtempSync(join(tmpdir(), 'fleet-quadlets-'));
  running = [];
});
afterEach(async () => {
  for (const host of running) await host.kill();
  await kv.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a host with Quadlet files', () => {
  it('runs the service, reports the unit, keeps the submitted text beside it', async () => {
    await cluster.assign({ 'web.container': CONTAINER });
    await start();
    await quickly(() => systemd.active().includes('web.service'));
    expect(files()).toEqual(['web.container', 'web.service']);
    expect(readFileSync(join(dir, 'units/web.container'), 'utf8')).toBe(CONTAINER);
    const service = readFileSync(join(dir, 'units/web.service'), 'utf8');
    expect(service).toContain('ExecStart=/opt/podman run --name systemd-%N');
    // The volume is not known to the cluster: podman's rule says what it is called.
    expect(service).toContain('Requires=data-volume.service');
    expect(service).toContain('-v systemd-data:/data');
    await quickly(async () => (await cluster.row('web.container'))?.activeState === 'active');
  });

  it('adopts what runs after a restart of fleetd, also when its records are lost', async () => {
    await cluster.assign({ 'web.container': CONTAINER });
    const first = await start();
    await quickly(() => systemd.active().includes('web.service'));
    const before = systemd.units.get('web.service')?.invocation;
    await first.kill();
    rmSync(join(dir, 'carried-out.json'));
    await start();
    await quickly(async () => (await cluster.row('web.container'))?.activeState === 'active');
    expect(systemd.units.get('web.service')?.invocation).toBe(before);
    expect(await cluster.row('web.service')).toBeUndefined();
  });

  it('takes both files away when the unit goes', async () => {
    await cluster.assign({ 'web.container': CONTAINER });
    await start();
    await quickly(() => systemd.active().includes('web.service'));
    await cluster.release('web.container');
    await quickly(() => files().length === 0);
    expect(systemd.active()).toEqual([]);
  });

  it('says why it cannot run one, and runs the others', async () => {
    await cluster.assign({
      'web.container': `${CONTAINER}[X-Fleet]\nRuntime=docker\n`,
      'kube.kube': '[Kube]\nYaml=pod.yml\n',
      'a.service': '[Service]\nExecStart=/bin/true\n',
    });
    await start();
    await quickly(() => systemd.active().includes('a.service'));
    const why = await quickly(async () => (await cluster.row('web.container'))?.refusal ?? false);
    expect(why).toContain('this machine has no docker');
    const refusal = await quickly(async () => (await cluster.row('kube.kube'))?.refusal ?? false);
    expect(refusal).toContain('line 2, column 6');
    expect(refusal).toContain("the path 'pod.yml' is relative");
    expect(files()).toEqual(['a.service']);
  });
});

describe('findRuntimes', () => {
  it('answers the programs that say their versions', async () => {
    const { mkdirSync, writeFileSync } = await import('node:fs');
    const [one, two] = [join(dir, 'one'), join(dir, 'two')];
    for (const path of [one, two]) mkdirSync(path, { recursive: true });
    const program = (path: string, text: string, mode = 0o755): void =>
      writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode });
    program(join(two, 'podman'), 'echo podman version 4.3.1');
    program(join(one, 'docker'), 'exit 1');
    program(join(one, 'rkt'), 'echo rkt Version: 1.30.0', 0o644);
    const found = await findRuntimes(silentLog, [one, two]);
    expect(found).toEqual(
      new Map([['podman', { program: join(two, 'podman'), version: '4.3.1' }]]),
    );
  });
});
