// lab/private-systemd: nothing is left of it, however it ends.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { privateSystemdMissing, startPrivateSystemd } from '../support/private-systemd.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.log(`skipped, private-systemd: ${missing}`);
const SCRIPT = fileURLToPath(new URL('../../lab/private-systemd', import.meta.url));

/** Pids whose command line or environment speaks of `dir`; a zombie has neither. */
function processesOf(dir: string): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'latin1');
        return pid > 0 && pid !== process.pid && (read('cmdline') + read('environ')).includes(dir);
      } catch {
        return false; // it has ended meanwhile
      }
    });
}

function cgroupsOf(pid: number): readonly string[] {
  return ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']
    .filter((at) => existsSync(at))
    .flatMap((at) => readdirSync(at).filter((name) => name === `private-systemd.${pid}`));
}

describe.skipIf(missing !== undefined)('lab/private-systemd', () => {
  it('runs three at once, each with its own units and journal', async () => {
    const hosts = await Promise.all([1, 2, 3].map(() => startPrivateSystemd()));
    try {
      hosts.forEach((host, i) => {
        host.run(
          'systemd-run',
          '--user',
          `--unit=only${i}`,
          'sh',
          '-c',
          `echo I am ${i}; sleep 60`,
        );
      });
      for (const [i, host] of hosts.entries()) {
        const units = host.systemctl('list-units', '--no-legend', '--plain', 'only*');
        expect(units.trim().split('\n')).toHaveLength(1);
        const journal = (): string =>
          host.run('journalctl', ...host.journalArgs(`only${i}.service`));
        await eventually(() => journal().includes(`I am ${i}`));
      }
    } finally {
      await Promise.all(hosts.map((host) => host.stop()));
    }
    for (const host of hosts) expect(processesOf(host.dir)).toEqual([]);
  });

  it.for(['SIGKILL', 'SIGTERM'] as const)('leaves nothing after %s', async (how) => {
    const dir = await mkdtemp(join(tmpdir(), 'systemd-'));
    const child = spawn(SCRIPT, ['run', dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    for await (const line of lines) if (line.startsWith('units=')) break;
    const pid = child.pid!;
    expect(processesOf(dir).length).toBeGreaterThan(1);
    if (existsSync('/sys/fs/cgroup/unified')) expect(cgroupsOf(pid)).toHaveLength(1);
    process.kill(pid, how);
    await eventually(() => processesOf(dir).length === 0 && cgroupsOf(pid).length === 0);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(dir);
    await rm(dir, { recursive: true });
  });
});
