import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run, type Ended } from '../../lab/script.ts';
import { eventually } from '../support/eventually.ts';
import { ofEachKind } from '../support/of-each-kind.ts';
import { privateSystemdMissing } from '../support/private-systemd.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

// With a /run and a /var/lib of the test's own, so that it meets no fleetd of this machine, and finds no system's systemd.
describe.skipIf(missing !== undefined)('npm start', () => {
  let holder: ChildProcess;
  let inside: readonly string[] = [];

  beforeEach(async () => {
    const mounts =
      'mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && echo ready && cat';
    holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', mounts]);
    await new Promise((resolve) => holder.stdout?.once('data', resolve));
    inside = ['-t', String(holder.pid), '-m', '--wd=.', '--'];
  });
  afterEach(() => {
    holder.stdin?.end();
  });

  it('starts the example, answers fleetctl without set-up, and leaves nothing after Ctrl-C', async () => {
    const before = await leftovers();
    const first = start();
    await first.says('Ctrl-C here');
    expect(first.output()).toMatch(/hello\.service.*active/);

    const listed = await fleetctl('list-units', '--no-legend');
    expect(listed.stdout).toMatch(/^hello\.service\s.*\sactive\s+running/);

    const printed = await fleetctl('status', 'hello.service');
    expect(printed.stdout).toMatch(/Active: active \(running\)/);
    const journal = await fleetctl('journal', 'hello.service');
    expect(journal.stdout).toContain('Hello, World!');

    expect(await leftovers()).not.toEqual(before);

    const second = start();
    expect(await second.ended).toBe(0);
    expect(second.output()).toContain('runs here already');

    first.ctrlC();
    expect(await first.ended).toBe(0);
    expect(await leftovers()).toEqual(before);
  });

  it('has the example again on the next run', async () => {
    const first = start();
    await first.says('Ctrl-C here');
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);

    const second = start();
    await second.says('$ npx fleetctl start');
    await eventually(async () => {
      const listed = await fleetctl('list-units', '--no-legend');
      return /^hello\.service\s.*\sactive\s+running/.test(listed.stdout);
    });
    second.child.kill('SIGINT');
    await second.ended;
  });

  it.for(ofEachKind(1, ['SIGKILL', 'SIGHUP'] as const))(
    'leaves nothing after %s, when nobody reads any more what it says',
    async (name) => {
      const before = await leftovers();
      const first = start();
      await first.says('Ctrl-C here');
      first.child.stdout?.destroy();
      first.child.stderr?.destroy();
      first.child.kill(name);
      await eventually(async () => expect(await leftovers()).toEqual(before));
      await expect(logOfFleetd()).resolves.toMatch(/fleetd ended/);
    },
  );

  it.for(ofEachKind(1, ['fleetd:', 'systemd:', '$ npx fleetctl start']))(
    'leaves nothing after Ctrl-C as soon as it says %s',
    async (moment) => {
      const before = await leftovers();
      const first = start();
      await first.says(moment);
      first.ctrlC();
      await first.ended;
      expect(await leftovers()).toEqual(before);
    },
  );

  function start(): {
    child: ChildProcess;
    /** As a terminal does it: to the whole process group. */
    ctrlC(): void;
    ended: Promise<number | null>;
    output(): string;
    says(text: string): Promise<unknown>;
  } {
    const child = spawn('nsenter', [...inside, process.execPath, 'lab/start.ts'], {
      detached: true,
    });
    const ctrlC = (): void => void process.kill(-(child.pid ?? 0), 'SIGINT');
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const says = (text: string): Promise<unknown> =>
      eventually(
        () => {
          if (!output.includes(text)) throw new Error(`it does not say '${text}':\n${output}`);
        },
        { timeoutMs: 40_000 },
      );
    return { child, ctrlC, ended, output: () => output, says };
  }

  function fleetctl(...args: readonly string[]): Promise<Ended> {
    return run('nsenter', [...inside, process.execPath, 'cli/main.ts', ...args]);
  }

  async function logOfFleetd(): Promise<string> {
    return await readFile(`/proc/${holder.pid}/root/var/lib/fleet-standalone/fleetd.log`, 'utf8');
  }

  /** Processes in the test's mount namespace or private cgroups, those cgroups, and what is in /run. */
  async function leftovers(): Promise<string[]> {
    const look = `
      own=$(readlink /proc/${holder.pid}/ns/mnt)
      for p in /proc/[0-9]*; do [ "$(readlink $p/ns/mnt 2>/dev/null)" != "$own" ] || cat $p/comm; done | sort
      grep -lF /private-systemd. /proc/[0-9]*/cgroup 2>/dev/null | grep -v self | while read f; do tr '\\0' ' ' < \${f%cgroup}environ 2>/dev/null | grep -o fleet-standalone; done | head -1
      ls /proc/${holder.pid}/root/run
      true`;
    const ended = await run('bash', ['-c', look]);
    const lines = ended.stdout.split('\n').filter((line) => line !== '');
    return [...lines, ...(existsSync(`/proc/${holder.pid}`) ? [] : ['the holder is gone'])];
  }
});
