// The Debian package on a host that has neither Node nor the project: install, upgrade beneath a hundred units, remove, purge.
import { execFileSync } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPackage } from '../../lab/package/build.ts';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, startLab, type Lab } from '../support/lab.ts';
import { tempDir } from '../support/temp-dir.ts';

const UNIT = '[Service]\nExecStart=/bin/sleep infinity\n';
const COUNT = 100;
const names = Array.from({ length: COUNT }, (_, i) => `load@${i + 1}.service`);

describe.skipIf(noLab() !== undefined)('the Debian package', () => {
  const dir = tempDir();
  let lab: Lab & { down(): Promise<void> };
  const debs = new Map<string, string>();

  beforeAll(async () => {
    for (const version of ['2.0.1', '2.0.2']) {
      const outDir = join(dir, version);
      const files = await buildPackage({ version, outDir, time: 1, say: () => undefined });
      debs.set(
        version,
        join(
          outDir,
          files.find((file) => file.endsWith('.deb'))!,
        ),
      );
    }
    lab = await startLab({ hosts: 1, name: 'deb', fleet: false, project: false });
  }, 300_000);
  afterAll(async () => {
    await lab?.down();
  }, 60_000);

  it('has sums that are right, and a bill of materials that names no place', async () => {
    const outDir = join(dir, '2.0.1');
    const checked = execFileSync('sha256sum', ['-c', 'SHA256SUMS'], {
      cwd: outDir,
      encoding: 'utf8',
    });
    expect(checked.trim().split('\n')).toHaveLength(4);
    const bill = await readFile(join(outDir, 'fleet-2.0.1.cdx.json'), 'utf8');
    const { components } = JSON.parse(bill) as { components: { name: string }[] };
    expect(components.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['node', 'etcd3', '@grpc/grpc-js', 'fastify', 'dbus-next']),
    );
    expect(bill).not.toMatch(/https?:|node_modules|registry|"\//);
  });

  it('installs on a host without Node, and joins', async () => {
    expect((await lab.exec('h1', 'sh', '-c', 'command -v node nodejs npm')).stdout).toBe('');
    await install('2.0.1');
    expect(await lab.out('h1', 'systemctl', 'is-enabled', 'fleet.service', 'fleet.socket')).toBe(
      'enabled\nenabled',
    );
    expect(await lab.out('h1', 'stat', '-c', '%G %a', '/run/fleet.sock')).toBe('fleet 660');
    const etcd = (await lab.rows())[0]!.address.replace(/\.\d+$/, '.1');
    await lab.write('h1', '/etc/fleet/fleet.conf', `etcd_servers=http://${etcd}:2379\n`);
    await lab.out('h1', 'systemctl', 'restart', 'fleet');
    await machines(lab, 'h1', 1);
    expect(await lab.out('h1', 'pidof', 'fleetd')).toBe(await mainPid('fleet'));
    expect(await lab.out('h1', 'fleetctl', 'version')).toBe('fleetctl version 2.0.1');
    expect(await lab.out('h1', 'fleetd', '--version')).toBe('fleetd version 2.0.1');
    expect(await lab.out('h1', 'dpkg', '--verify', 'fleet')).toMatch(
      /^(\S+ +c \/etc\/fleet\/fleet\.conf|missing +\/usr\/share\/\S+|\n)*$/,
    );
  });

  it(`is upgraded beneath ${COUNT} units, and none of them notices`, async () => {
    await lab.write('h1', '/root/load@.service', UNIT);
    const started = await lab.exec(
      'h1',
      'sh',
      '-c',
      `cd /root && fleetctl start ${names.join(' ')}`,
    );
    expect(started.status, started.stderr).toBe(0);
    const [units, fleetd] = [await runs(), await mainPid('fleet')];
    expect(await active()).toBe(COUNT);

    await install('2.0.2');
    expect(await lab.out('h1', 'fleetctl', 'version')).toBe('fleetctl version 2.0.2');
    expect(await mainPid('fleet')).not.toBe(fleetd);
    await machines(lab, 'h1', 1);
    await eventually(async () => {
      const listed = await lab.fleetctl('h1', 'list-units', '--no-legend', '--fields', 'sub');
      return listed.stdout === 'running\n'.repeat(COUNT);
    });
    expect(await runs()).toBe(units);
    expect(await lab.out('h1', 'cat', '/etc/fleet/fleet.conf')).toContain('etcd_servers=');
  });

  it('keeps what an administrator has stopped and disabled, over an upgrade', async () => {
    await lab.out('h1', 'systemctl', 'disable', '--now', 'fleet.socket', 'fleet.service');
    await install('2.0.1');
    const shown = await lab.exec('h1', 'systemctl', 'is-active', 'fleet.socket', 'fleet.service');
    expect(shown.stdout).toBe('inactive\ninactive\n');
    const enabled = await lab.exec('h1', 'systemctl', 'is-enabled', 'fleet.service');
    expect(enabled.stdout).toBe('disabled\n');
    await lab.out('h1', 'systemctl', 'enable', '--now', 'fleet.service');
    await eventually(async () => (await active()) === COUNT, { timeoutMs: 60_000 });
  });

  it('is removed in order: its units stop, the configuration stays', async () => {
    await apt('remove', 'fleet');
    expect((await lab.exec('h1', 'pidof', 'fleetd')).stdout).toBe('');
    expect(await lab.out('h1', 'systemctl', 'list-units', '--no-legend', 'load@*')).toBe('');
    expect(await lab.out('h1', 'cat', '/etc/fleet/fleet.conf')).toContain('etcd_servers=');
    expect(await left()).toEqual(['/etc/fleet', '/etc/fleet/fleet.conf', '/var/lib/fleet']);
  });

  it('leaves nothing when it is purged', async () => {
    await apt('purge', 'fleet');
    expect(await left()).toEqual([]);
    expect(
      await lab.out('h1', 'find', '/etc/systemd', '/run/systemd/system', '-name', 'load@*'),
    ).toBe('');
    expect((await lab.exec('h1', 'getent', 'group', 'fleet')).stdout).toBe('');
    expect((await lab.exec('h1', 'systemctl', 'is-active', 'fleet.service')).stdout).toBe(
      'inactive\n',
    );
  });

  async function install(version: string): Promise<void> {
    const deb = debs.get(version)!;
    await copyFile(deb, join(dirname(lab.socket('h1')), basename(deb)));
    await apt('install', '--allow-downgrades', `/run/lab/${basename(deb)}`);
  }

  async function apt(...args: readonly string[]): Promise<void> {
    const options = ['-y', '-q', '-o', 'Dpkg::Options::=--force-confold'];
    await lab.out('h1', 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...options, ...args);
  }

  async function mainPid(unit: string): Promise<string> {
    return await lab.out('h1', 'systemctl', 'show', '--value', '-p', 'MainPID', unit);
  }

  async function runs(): Promise<string> {
    return await lab.out(
      'h1',
      'systemctl',
      'show',
      '-p',
      'Id,InvocationID,MainPID,ActiveState',
      ...names,
    );
  }

  async function active(): Promise<number> {
    return (await runs()).match(/^ActiveState=active$/gm)?.length ?? 0;
  }

  /** Files of fleet on the host, besides what dpkg and apt know and log of every package. */
  async function left(): Promise<readonly string[]> {
    const pruned = [
      '/proc',
      '/sys',
      '/dev',
      '/run/lab',
      '/tmp',
      '/var/log',
      '/var/lib/dpkg',
      '/var/cache',
    ];
    const prune = pruned.flatMap((dir) => ['-path', dir, '-prune', '-o']);
    const found = await lab.out('h1', 'find', '/', ...prune, '-name', '*fleet*', '-print');
    return found
      .split('\n')
      .filter((line) => line !== '')
      .toSorted();
  }
});
