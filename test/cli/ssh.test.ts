import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withCommandApart } from '../../cli/command-operand.ts';
import { globalOptions, sshOptions } from '../../cli/options.ts';
import { forwardCommand, optionValue, shellText, sshCommand } from '../../cli/remote.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const settings = {
  username: 'core',
  strictHostKeyChecking: true,
  knownHostsFile: '/k',
  timeoutSec: 10,
};

describe('sshCommand', () => {
  const CHECKED = '-o UserKnownHostsFile=/k -o StrictHostKeyChecking=ask -o ConnectTimeout=10';
  it.for([
    [{}, { host: 'h' }, `ssh ${CHECKED} core@h`],
    [{}, { host: 'h', command: 'a "$b"' }, `ssh ${CHECKED} core@h -- a "$b"`],
    [{}, { host: 'fd00::1', port: 22 }, `ssh ${CHECKED} -p 22 core@fd00::1`],
    [{}, { host: 'h', forwardAgent: true }, `ssh ${CHECKED} -A core@h`],
    [{}, { host: 'h', words: ['-N'] }, `ssh ${CHECKED} -N core@h`],
    [
      { timeoutSec: 0, strictHostKeyChecking: false },
      { host: 'h' },
      'ssh -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o ConnectTimeout=none -o GlobalKnownHostsFile=/dev/null -o LogLevel=ERROR core@h',
    ],
  ] as const)('%o %o', ([given, call, words]) => {
    expect(sshCommand({ ...settings, ...given }, call).join(' ')).toBe(words);
  });

  it.for([
    ['', 'core'],
    ['-oProxyCommand=evil', 'core'],
    ['h', '-oProxyCommand=evil'],
  ])("refuses the host '%s' of user '%s'", ([host = '', username = '']) => {
    expect(() => sshCommand({ ...settings, username }, { host })).toThrow('is no destination');
  });
});

describe('optionValue', () => {
  it.for([
    ['/a/b', '/a/b'],
    ['/50%', '/50%%'],
    ['/my keys', '"/my keys"'],
    ['/"', String.raw`"/\""`],
  ])('%s', ([path = '', value]) => {
    expect(optionValue(path)).toBe(value);
  });
});

describe('shellText', () => {
  it('is read by a shell as the words it was made of', () => {
    const words = ['a b', "it's", '$HOME', '', '*', '\\', '"', '\n', '`x`', '-e'];
    const read = execFileSync('sh', ['-c', `printf '%s\\0' ${shellText(words)}`], {
      encoding: 'utf8',
    });
    expect(read.split('\0').slice(0, -1)).toEqual(words);
  });
});

describe('forwardCommand', () => {
  const dir = tempDir();
  it.for([
    { name: 'finds fleetctl in the PATH', profile: '', path: 'bin' },
    {
      name: 'finds fleetctl by the profile of a login shell, whose words are no part of the answer',
      profile: 'echo welcome; PATH=$HOME/bin:$PATH',
      path: 'none',
    },
  ])('$name', ({ profile, path }) => {
    const home = join(dir, path);
    mkdirSync(join(home, 'bin'), { recursive: true });
    const script = '#!/bin/sh\necho "$*"\ncat\n';
    writeFileSync(join(home, 'bin', 'fleetctl'), script, { mode: 0o755 });
    writeFileSync(join(home, '.bash_profile'), profile);
    const printed = execFileSync('/bin/sh', ['-c', forwardCommand("/a b's")], {
      encoding: 'utf8',
      env: { HOME: home, SHELL: '/bin/bash', PATH: `${join(home, path)}:/usr/bin:/bin` },
      input: 'request',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    expect(printed).toBe("fd-forward /a b's\nrequest");
  });
});

describe('withCommandApart', () => {
  const forms = [...globalOptions, ...sshOptions];
  it.for([
    ['ssh m', 'ssh m --'],
    ['ssh m ls -l', 'ssh m -- ls -l'],
    ['--debug ssh -A --ssh-port 22 m ls --full', '--debug ssh -A --ssh-port 22 m -- ls --full'],
    ['--endpoint ssh ssh m ls', '--endpoint ssh ssh m -- ls'],
    ['ssh --ssh-port=22 m -full', 'ssh --ssh-port=22 m -- -full'],
    ['ssh --machine m ls -l', 'ssh --machine m -- ls -l'],
    ['ssh -unit=u ls -l', 'ssh -unit=u -- ls -l'],
    ['ssh m -- ls -l', 'ssh m -- ls -l'],
    ['ssh -- m ls -l', 'ssh -- m ls -l'],
    ['start ssh x', 'start ssh x'],
    ['cat ssh', 'cat ssh'],
  ])('%s', ([given = '', apart = '']) => {
    expect(withCommandApart(forms, given.split(' '))).toEqual(apart.split(' '));
  });
});

describe('fleetctl ssh', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = new Fleet();
    const { api } = await fleet.start({
      daemon: { machineID: machineId(1), systemd: 'user', runtimeDirectory: '/tmp/run' },
    });
    for (const n of [1, 2]) await api.machine(machineId(n), { primaryIp: `10.0.0.${n}` });
    for (const name of ['a.service', 'b.service'])
      await api.call('PUT', `/fleet/v2/units/${name}`, { text: '[Service]\nExecStart=/bin/x\n' });
    await api.place('b.service', machineId(2));
  });
  afterEach(() => fleet.stop());

  const ssh = async (...words: string[]) => ({
    ...(await fleet.run('--strict-host-key-checking=false', 'ssh', ...words)),
    ran: fleet.spawned.map(({ command }) => command.slice(command.indexOf('-p') + 1).join(' ')),
  });
  const PORT = '--ssh-port=1';

  it.for([
    ['a machine by its id', [machineId(2)], '1 core@10.0.0.2'],
    ['a machine by what its id begins with', ['0002', 'uptime'], '1 core@10.0.0.2 -- uptime'],
    ['a unit', ['b', 'echo $HOME', '|', 'cat'], '1 core@10.0.0.2 -- echo $HOME | cat'],
    ['--unit', ['--unit=b.service', 'ls', '--full'], '1 core@10.0.0.2 -- ls --full'],
    ['--machine', ['-A', '--machine', '0002', 'ls', '-l'], '1 core@10.0.0.2 -- ls -l'],
  ] as const)('goes to %s', async ([, words, ran]) => {
    expect(await ssh(PORT, ...words)).toEqual({ status: 0, stdout: '', stderr: '', ran: [ran] });
  });

  it('runs here without SSH what is for this machine', async () => {
    await ssh('0001', 'systemctl', '--user', 'status');
    expect(fleet.spawned[0]?.command).toEqual(['/bin/sh', '-c', 'systemctl --user status']);
    expect(fleet.spawned[0]?.env['XDG_RUNTIME_DIR']).toBe('/tmp/run');
    await ssh('0001');
    expect(fleet.spawned[1]?.command).toEqual(['/bin/sh', '-l']);
  });

  it.for([
    [[], 2, 'no machine and no unit is given\n  Usage: fleetctl ssh'],
    [['--unit=a', '--machine=b'], 2, '--machine and --unit exclude each other\n'],
    [['000', 'x'], 2, "'000' begins the ids of 2 machines\n  Give more of it; they are: 0001"],
    [['nosuch'], 1, "'nosuch' is neither a machine that is present nor a unit\n"],
    [['--machine=f'], 1, "no machine that is present has an id that begins with 'f'\n"],
    [['--unit=0001'], 1, "unit '0001.service' does not exist\n"],
    [['a'], 1, "unit 'a.service' is on no machine\n  See why: fleetctl explain a.service\n"],
  ] as const)('%j is refused', async ([words, status, problem]) => {
    const outcome = await ssh(...words);
    expect(outcome).toMatchObject({ status, stdout: '', ran: [] });
    expect(outcome.stderr).toContain(`fleetctl: ${problem}`);
  });
});
