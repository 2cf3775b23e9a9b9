// fleetd as a process, standalone, on a real systemd: what its ends mean for the units.
import { spawn, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import {
  privateSystemdMissing,
  startPrivateSystemd,
  type PrivateSystemd,
} from '../support/private-systemd.ts';

const MAIN = fileURLToPath(new URL('../../agent/main.ts', import.meta.url));
const missing = privateSystemdMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout, stderr };
}

describe('fleetd, its command line', () => {
  const run = (...args: string[]) => ended(spawn(process.execPath, [MAIN, ...args]));

  it.for([
    { args: ['--version'], status: 0, stdout: /^fleetd version \d/, stderr: /^$/ },
    { args: ['-version'], status: 0, stdout: /^fleetd version \d/, stderr: /^$/ },
    { args: ['version'], status: 0, stdout: /^fleetd version \d/, stderr: /^$/ },
    {
      args: ['--nonsense'],
      status: 2,
      stdout: /^$/,
      stderr: /^fleetd: unknown option '--nonsense'\n/,
    },
    { args: ['--help'], status: 0, stdout: /^usage: fleetd .*--standalone/, stderr: /^$/ },
    { args: ['-h'], status: 0, stdout: /^usage: fleetd/, stderr: /^$/ },
    { args: ['nonsense'], status: 1, stdout: /^$/, stderr: /^fleetd: 'nonsense'/ },
    { args: ['--config', '/none'], status: 1, stdout: /^$/, stderr: /cannot read '\/none'/ },
    { args: ['-config', '/tmp'], status: 1, stdout: /^$/, stderr: /cannot read '\/tmp'/ },
  ])('fleetd $args ends with $status', async ({ args, status, stdout, stderr }) => {
    const end = await run(...args);
    expect(end.status).toBe(status);
    expect(end.stdout).toMatch(stdout);
    expect(end.stderr).toMatch(stderr);
  });
});

describe.skipIf(missing !== undefined)('fleetd on a real systemd', () => {
  let systemd: PrivateSystemd;
  let running: ChildProcess[] = [];
  let tests = 0;
  let dir: string;

  beforeAll(async () => {
    systemd = await startPrivateSystemd();
  });
  afterAll(async () => {
    await systemd.stop();
  });
  afterEach(async () => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const end = ended(child);
      child.kill('SIGTERM');
      await end;
    }
    running = [];
  });

  const configure = (): string => {
    tests += 1;
    dir = join(systemd.dir, `fleetd-${tests}`);
    mkdirSync(dir);
    const lines = [
      'systemd_user=true',
      'metadata=a=1',
      `state_directory=${dir}/state`,
      `runtime_directory=${dir}/runtime`,
      `socket=${dir}/fleet.sock`,
    ];
    writeFileSync(join(dir, 'fleet.conf'), `${lines.join('\n')}\n`);
    return join(dir, 'fleet.conf');
  };
  const environment = () => ({
    ...process.env,
    ...systemd.env,
    DBUS_SESSION_BUS_ADDRESS: systemd.address,
  });
  const start = (config: string): ChildProcess => {
    const args = [MAIN, '--config', config, '--standalone'];
    const child = spawn(process.execPath, args, { env: environment() });
    running.push(child);
    return child;
  };

  const call = (method: string, path: string, body?: unknown) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const sent = request({ socketPath: join(dir, 'fleet.sock'), method, path, headers });
      sent.once('error', reject);
      sent.once('response', (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: text }));
      });
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const submit = async (name: string): Promise<void> => {
    const text = '[Service]\nExecStart=/bin/sleep infinity\n';
    const path = `/fleet/v2/units/${name}`;
    await eventually(
      async () => (await call('PUT', path, { text, desiredState: 'launched' })).status < 300,
    );
    await eventually(() => show(name, 'ActiveState') === 'active');
  };
  const show = (name: string, property: string): string =>
    systemd.systemctl('show', '-P', property, name).trim();

  it('fleetd killed and begun anew leaves units as they are', async () => {
    const config = configure();
    const first = start(config);
    await submit('kept.service');
    const invocation = show('kept.service', 'InvocationID');
    const end = ended(first);
    first.kill('SIGKILL');
    await end;
    start(config);
    await eventually(async () => {
      const { body } = await call('GET', '/fleet/v1/state');
      return body.includes('kept.service') && body.includes('"systemdActiveState":"active"');
    });
    expect(show('kept.service', 'InvocationID')).toBe(invocation);
  });

  it('fleetd in the foreground leaves on SIGTERM: units are stopped, and come back with it', async () => {
    const config = configure();
    const child = start(config);
    await submit('gone.service');
    const end = ended(child);
    child.kill('SIGTERM');
    expect((await end).status).toBe(0);
    expect(show('gone.service', 'LoadState')).toBe('not-found');
    expect(existsSync(join(dir, 'runtime/units/gone.service'))).toBe(false);
    start(config);
    await eventually(() => show('gone.service', 'ActiveState') === 'active');
  });

  it('fleetd takes a new configuration on SIGHUP and tells its state on SIGUSR1', async () => {
    const config = configure();
    const child = start(config);
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    const metadata = async (): Promise<string> => (await call('GET', '/fleet/v1/machines')).body;
    await eventually(async () => (await metadata()).includes('"a":"1"'));
    writeFileSync(config, readFileSync(config, 'utf8').replace('a=1', 'a=2'));
    child.kill('SIGHUP');
    await eventually(async () => (await metadata()).includes('"a":"2"'));
    expect(stdout).toMatch('Reloading configuration');
    child.kill('SIGUSR1');
    await eventually(() => stdout.includes('"presence":"registered"'));
  });

  it('fleetd as fleet.service leaves units alone on restart, and stops them on stop', async () => {
    const config = configure();
    const variables = ['PATH', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'] as const;
    const env = environment() as Record<string, string | undefined>;
    const unit = [
      '[Service]',
      ...variables.map((name) => `Environment=${name}=${env[name]}`),
      `ExecStart=${process.execPath} ${MAIN} --config ${config} --standalone`,
    ];
    writeFileSync(join(dir, 'fleet.service'), `${unit.join('\n')}\n`);
    systemd.systemctl('link', '--runtime', join(dir, 'fleet.service'));
    systemd.systemctl('start', 'fleet.service');
    await submit('served.service');
    const invocation = show('served.service', 'InvocationID');
    systemd.systemctl('restart', 'fleet.service');
    await eventually(async () => (await call('GET', '/fleet/v1/machines')).status === 200);
    expect(show('served.service', 'InvocationID')).toBe(invocation);
    systemd.systemctl('stop', 'fleet.service');
    expect(show('fleet.service', 'Result')).toBe('success');
    expect(show('served.service', 'ActiveState')).toBe('inactive');
  });
});
