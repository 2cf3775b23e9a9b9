import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { VERSION } from '../../src/runtime/version.ts';
import { machineId } from '../support/api.ts';
import { Fleet, runProcess } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
let fleet: Fleet;
let dir: string;
let env: Record<string, string>;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  fleet = (
    await new Fleet().start({ daemon: { machineID: machineId(1), systemd: 'system' } })
  ).lead();
  await fleet.host(1);
  env = { FLEETCTL_ENDPOINT: `unix://${fleet.api.path}`, HOME: dir };
});
afterAll(async () => {
  await fleet.stop();
  rmSync(dir, { recursive: true });
});

function file(name: string): string {
  writeFileSync(join(dir, name), TEXT);
  return join(dir, name);
}

it('fleetctl version prints the version', async () => {
  const { ended } = runProcess(['version']);
  expect(await ended).toEqual({ status: 0, stdout: `fleetctl version ${VERSION}\n`, stderr: '' });
});

it('fleetctl start ends when the unit is launched, and not when its timers would', async () => {
  const began = performance.now();
  const { ended } = runProcess(['start', '--timeout=600', file('a.service')], env);
  expect(await ended).toEqual({
    status: 0,
    stdout: 'Unit a.service launched on 00010000.../10.0.0.1\n',
    stderr: '',
  });
  expect(performance.now() - began).toBeLessThan(10_000);
});

it('fleetctl start that has given up does not wait for the machines of which it knew nothing', async () => {
  fleet.fates.set('late.service', 'hangs');
  const proxy = createServer((asked, answer) => {
    if (asked.url?.startsWith('/fleet/v2/machines') === true) return; // never answered
    const { method, url, headers } = asked;
    const passed = request({ socketPath: fleet.api.path, method, path: url, headers }, (from) => {
      answer.writeHead(from.statusCode ?? 500, from.headers);
      from.pipe(answer);
    });
    answer.on('close', () => passed.destroy());
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  try {
    const { port } = proxy.address() as AddressInfo;
    const began = performance.now();
    const { ended } = runProcess(
      ['start', '--request-timeout=60', '--timeout=1', file('late.service')],
      { ...env, FLEETCTL_ENDPOINT: `http://127.0.0.1:${port}` },
    );
    expect((await ended).status).toBe(1);
    expect(performance.now() - began).toBeLessThan(20_000);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

it('fleetctl without a server exits 1, used wrongly 2', async () => {
  const nowhere = { FLEETCTL_ENDPOINT: 'unix:///nowhere/s' };
  expect((await runProcess(['list-units'], nowhere).ended).status).toBe(1);
  expect((await runProcess(['list-units', '--nosuch']).ended).status).toBe(2);
});

it('fleetctl ends with 130 on SIGINT while it waits', async () => {
  fleet.fates.set('hangs.service', 'hangs');
  const running = runProcess(['start', file('hangs.service')], env);
  await eventually(() => fleet.deeds.includes('start hangs.service'));
  running.interrupt();
  expect(await running.ended).toEqual({ status: 130, stdout: '', stderr: '' });
});

it('fleetctl ends quietly when nobody reads on', async () => {
  const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'list-unit-files'], {
    env: { ...env, PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => void (stderr += text.toString()));
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('fleetctl status passes output, terminal and status of systemctl through', async () => {
  const bin = join(dir, 'systemctl');
  writeFileSync(bin, '#!/bin/sh\necho "ran: $*"\nexit 3\n');
  chmodSync(bin, 0o755);
  await runProcess(['start', file('b.service')], env).ended;
  const path = { PATH: `${dir}:${process.env['PATH'] ?? ''}` };
  expect(await runProcess(['status', 'b'], { ...env, ...path }).ended).toEqual({
    status: 3,
    stdout: 'ran: status -l --no-pager -- b.service\n',
    stderr: '',
  });
});

it('fleetctl journal says when journalctl is not there', async () => {
  await runProcess(['start', file('b.service')], env).ended;
  const { status, stderr } = await runProcess(['journal', 'b'], { ...env, PATH: dir }).ended;
  expect(status).toBe(1);
  expect(stderr).toBe("fleetctl: 'journalctl' cannot be run here: spawn journalctl ENOENT\n");
});
