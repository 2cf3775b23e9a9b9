import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const analyze = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!analyze) process.stderr.write('skipped: systemd-analyze is not installed\n');

describe.skipIf(!analyze)('units/', () => {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'fleet-units-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  it('fleet.service and fleet.socket pass systemd-analyze verify', async () => {
    for (const name of ['fleet.service', 'fleet.socket']) {
      const text = await readFile(path.join('units', name), 'utf8');
      // The packages put it there; verify wants a program that exists.
      await writeFile(path.join(dir, name), text.replace('/usr/bin/fleetd', '/bin/true'));
    }
    expect(verify(['fleet.service', 'fleet.socket'])).toEqual({ status: 0, said: '' });
  });

  it('verify refuses a fleet.service with a mistake in it', async () => {
    const text = await readFile('units/fleet.service', 'utf8');
    await writeFile(
      path.join(dir, 'fleet.service'),
      text.replace('/usr/bin/fleetd', '/bin/true').replace('KillMode=', 'KillMod='),
    );
    expect(verify(['fleet.service']).said).toContain('KillMod');
  });

  it('fleet.service requires nothing whose end would end it', async () => {
    const text = await readFile('units/fleet.service', 'utf8');
    expect(text).not.toMatch(/^(Requires|Requisite|BindsTo|PartOf|Conflicts|JoinsNamespaceOf)=/m);
    expect(text).toMatch(/^TimeoutStopSec=infinity$/m);
    expect(text).toMatch(/^RuntimeDirectoryPreserve=yes$/m);
  });

  it('fleet.service is hardened: systemd-analyze security finds 4.0 at most', async () => {
    const args = ['security', '--offline=yes', '--no-pager', '--json=off', 'units/fleet.service'];
    const ended = spawnSync('systemd-analyze', args, { encoding: 'utf8' });
    const exposure = /Overall exposure level for fleet\.service: ([\d.]+)/.exec(ended.stdout)?.[1];
    expect(Number(exposure), ended.stdout + ended.stderr).toBeLessThanOrEqual(4.0);
    const reasons = await readFile('units/fleet.service', 'utf8');
    const missing = [...ended.stdout.matchAll(/^✗ ([A-Za-z]+)=/gm)].flatMap(([, option]) =>
      reasons.includes(`${option!}=`) ? [] : [option],
    );
    expect(missing).toEqual([]);
  });

  it('the examples pass systemd-analyze verify, and each says what it shows', async () => {
    const names = await readdir('units/examples');
    for (const name of names) {
      const text = await readFile(path.join('units/examples', name), 'utf8');
      expect(text, name).toMatch(/^# \S/);
      await writeFile(path.join(dir, name), text);
    }
    expect(verify(names)).toEqual({ status: 0, said: '' });
  });

  it('fleet.conf has every key commented out', async () => {
    const text = await readFile('units/fleet.conf', 'utf8');
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
  });

  function verify(names: readonly string[]): { status: number | null; said: string } {
    const files = names.map((name) => path.join(dir, name));
    const ended = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], {
      encoding: 'utf8',
    });
    return { status: ended.status, said: ended.stdout + ended.stderr };
  }
});
