import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endOptions } from '../../cli/arguments.ts';
import { joinSocket } from '../../cli/forward.ts';
import { globalOptions, sshOptions } from '../../cli/options.ts';
import { readSshHost } from '../../cli/remote.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const SSH =
  'ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ConnectTimeout=10 -o LogLevel=ERROR';
const LAX = '--strict-host-key-checking=false';

describe('fleetctl ssh', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await new Fleet().start({ daemon: { machineID: machineId(1), systemd: 'system' } });
    await fleet.host(1);
    await fleet.host(2);
    await fleet.api.call('PUT', '/fleet/v2/units/a.service', {
      text: '[Service]\nExecStart=/bin/true\n',
    });
    await fleet.api.place('a.service', machineId(2));
  });
  afterEach(() => fleet.stop());

  it.for([
    [['00020000', 'echo', 'two  words'], `${SSH} core@10.0.0.2 -- echo two  words`],
    [['0002'], `${SSH} core@10.0.0.2`],
    [['a', 'ls', '-l', '--full'], `${SSH} core@10.0.0.2 -- ls -l --full`],
    [['a.service', '--', 'ls'], `${SSH} core@10.0.0.2 -- ls`],
    [['--unit=a', 'ls', '-A'], `${SSH} core@10.0.0.2 -- ls -A`],
    [['--machine', '0001', 'ls'], `${SSH} core@10.0.0.1 -- ls`],
    [['-A', '--ssh-port', '2222', 'a'], `${SSH} -p 2222 -A core@10.0.0.2`],
  ] as const)('ssh %j', async ([words, command]) => {
    expect(await fleet.run(LAX, 'ssh', ...words)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(fleet.spawned.map((one) => one.command.join(' '))).toEqual([command]);
  });

  it.for([
    [[], 2, 'ssh needs a MACHINE or a UNIT'],
    [['000'], 2, "2 machines begin with '000'"],
    [['nothing'], 1, "there is no machine and no unit 'nothing'"],
    [['--machine=ffff'], 1, "there is no machine 'ffff'"],
    [['--unit=b'], 1, "'b.service'"],
    [['--unit=a', '--machine=0001'], 2, 'cannot both be given'],
  ] as const)('ssh %j fails', async ([words, status, problem]) => {
    const ended = await fleet.run(LAX, 'ssh', ...words);
    expect(ended.status).toBe(status);
    expect(ended.stderr).toContain(problem);
    expect(fleet.spawned).toEqual([]);
  });

  it("passes the remote command's status on", async () => {
    const spawn = () => Promise.resolve(7);
    expect((await fleet.begin([LAX, 'ssh', 'a', 'false'], { spawn }).ended).status).toBe(7);
  });

  it('answers for OpenSSH where there is no terminal, unless keys are not checked', async () => {
    const io = { stdinIsTerminal: false };
    const known = `--known-hosts-file=${join(tmpdir(), 'known_hosts')}`;
    await fleet.begin([known, 'ssh', 'a', 'ls'], io).ended;
    await fleet.begin([LAX, 'ssh', 'a', 'ls'], io).ended;
    const [strict, lax] = fleet.spawned;
    expect(strict?.env).toMatchObject({ SSH_ASKPASS_REQUIRE: 'force' });
    expect(lax?.env).not.toHaveProperty('SSH_ASKPASS_REQUIRE');
  });

  it('a tunnel that does not open ends it', async () => {
    const words = [LAX, '--tunnel=jump:2222', 'list-units'];
    const spawn = () => Promise.resolve(255);
    const { status, stderr } = await fleet.begin(words, { spawn }).ended;
    expect(status).toBe(1);
    expect(stderr).toContain(`no tunnel to 'jump': ssh ended with 255\n  Try: ${SSH} -p 2222`);
  });
});

describe('endOptions', () => {
  const forms = [...globalOptions, ...sshOptions];
  it.for([
    ['ssh m ls -l', 'ssh -- m ls -l'],
    ['--tunnel h ssh --ssh-port 22 m -A', '--tunnel h ssh --ssh-port 22 -- m -A'],
    ['ssh -A --unit u ls -l', 'ssh -A --unit u -- ls -l'],
    ['ssh -- m ls', 'ssh -- m ls'],
    ['ssh', 'ssh'],
    ['cat ssh -l', 'cat ssh -l'],
  ] as const)('%s', ([given, then]) => {
    expect(endOptions(forms, given.split(' '), new Set(['ssh'])).join(' ')).toBe(then);
  });
});

describe('readSshHost', () => {
  it.for([
    ['h', { host: 'h', port: undefined }],
    ['10.0.0.1:2222', { host: '10.0.0.1', port: 2222 }],
    ['[::1]:22', { host: '::1', port: 22 }],
    ['fe80::1', { host: 'fe80::1', port: undefined }],
  ] as const)('%s', ([given, then]) => {
    expect(readSshHost(given)).toEqual(then);
  });
  it.for(['', '-l', 'a b', 'h:', 'h:x'])('refuses %j', (given) => {
    expect(() => readSshHost(given)).toThrow('is no host for SSH');
  });
});

describe('joinSocket', () => {
  let dir: string;
  let server: Server;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fleetctl-join-'));
  });
  afterEach(() => {
    server?.close();
    rmSync(dir, { recursive: true });
  });

  it('copies both ways, and passes the end of the input on', async () => {
    const path = join(dir, 's');
    server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = '';
      socket.on('data', (chunk) => (heard += String(chunk)));
      socket.on('end', () => socket.end(`heard ${heard}`));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.end('hello');
    await joinSocket(path, input, output);
    output.end();
    expect(await text(output)).toBe('heard hello');
  });

  it('fails where there is no socket', async () => {
    await expect(
      joinSocket(join(dir, 'none'), new PassThrough(), new PassThrough()),
    ).rejects.toMatchObject({ code: 'API_UNREACHABLE' });
  });
});
