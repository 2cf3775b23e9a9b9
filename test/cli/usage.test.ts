import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commands } from '../../cli/definition.ts';
import { fleetctl } from '../../cli/fleetctl.ts';
import type { Io } from '../../cli/context.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Outcome } from '../support/cli.ts';

async function run(words: readonly string[], env: Io['env'] = {}): Promise<Outcome> {
  const printed = { stdout: '', stderr: '' };
  const status = await fleetctl(words, {
    env: { FLEETCTL_ENDPOINT: 'unix:///nowhere/fleet.sock', ...env },
    version: '2.0.0',
    clock: systemClock,
    signal: new AbortController().signal,
    colours: { stdout: false, stderr: false },
    random: () => 0,
    start: () => {
      throw new Error('nothing is to be started');
    },
    stdinIsTerminal: true,
    streams: { stdin: Readable.from([]), openStdout: () => new PassThrough() },
    stdout: (text) => void (printed.stdout += text),
    stderr: (text) => void (printed.stderr += text),
    files: {
      read: () => Promise.resolve(undefined),
      readUnit: () => Promise.resolve(undefined),
      large: () => Promise.resolve(undefined),
      list: () => Promise.resolve([]),
    },
    spawn: () => Promise.resolve(0),
  });
  return { status, ...printed };
}

const USAGE = 'Usage: fleetctl [OPTION…] COMMAND [ARGUMENT…]';

describe('fleetctl, used wrongly', () => {
  it.for([
    [['nosuch'], `unknown command 'nosuch'\n${USAGE}`],
    [['strat'], `unknown command 'strat' (Did you mean start?)\n${USAGE}`],
    [['--nosuch'], `unknown option '--nosuch'\n${USAGE}`],
    [['help', 'strat'], "unknown command 'strat'\n  Did you mean 'start'?"],
    [['help', 'stat'], "unknown command 'stat'\n  Did you mean 'status'?"],
    [
      ['help', 'nope'],
      `unknown command 'nope'\n  The commands are: ${[...commands.map(({ name }) => name), 'version', 'help'].join(', ')}.`,
    ],
    [['start'], "missing required argument 'UNIT'\nUsage: fleetctl start [OPTION…] UNIT…"],
    [
      ['start', '--nosuch', 'a'],
      "unknown option '--nosuch'\nUsage: fleetctl start [OPTION…] UNIT…",
    ],
    [
      ['cat', 'a', 'b'],
      "too many arguments for 'cat'. Expected 1 argument but got 2: a, b.\nUsage: fleetctl cat [OPTION…] UNIT",
    ],
    [
      ['list-units', '--fields'],
      "option '--fields <FIELDS>' argument missing\nUsage: fleetctl list-units [OPTION…]",
    ],
    [
      ['start', '--block-attempts=many', 'a'],
      "--block-attempts is 'many', and must be a number from 0 to 1000000",
    ],
    [['start', '--no-block=maybe', 'a'], "--no-block is 'maybe', and must be 'true' or 'false'"],
    [
      ['--strict-host-key-checking=perhaps', 'cat', 'a'],
      "--strict-host-key-checking is 'perhaps', and must be 'true' or 'false'",
    ],
    [['--tunnel=a:b', 'cat', 'a'], "--tunnel is 'a:b', and must be HOST or HOST:PORT"],
    [['--driver', 'consul', 'cat', 'a'], "--driver is 'consul', and must be 'API' or 'etcd'"],
    [
      ['--driver=etcd', '--tunnel=h', 'cat', 'a'],
      '--tunnel and --driver=etcd exclude each other\n  Through a tunnel, the API on the far side is spoken with.',
    ],
    [
      ['--driver=etcd', '--endpoint=etcd', 'cat', 'a'],
      "the etcd endpoint 'etcd' is not an http:// or https:// URL\n  With --driver=etcd, --endpoint is http://HOST:PORT of etcd; look at --ca-file, --cert-file and --key-file too.",
    ],
    [
      ['--endpoint=https://h:1', '--ca-file=/nowhere/ca', 'cat', 'a'],
      "--ca-file: there is no file '/nowhere/ca'",
    ],
    ...['foo', 'foo.example', 'unix://run/fleet.sock', 'http://', 'h:port', ''].map(
      (endpoint) =>
        [
          [`--endpoint=${endpoint}`, 'cat', 'a'],
          `'${endpoint}' is no endpoint\n  Write unix:///var/run/fleet.sock, http://HOST:PORT or https://HOST:PORT.`,
        ] as const,
    ),
    [
      ['--endpoint=/run/fleet.sock', 'cat', 'a'],
      "'/run/fleet.sock' is no endpoint\n  A socket is written unix:///run/fleet.sock.",
    ],
    [
      ['--endpoint=ftp://h', 'cat', 'a'],
      "'ftp://h' is no endpoint\n  Write unix:///var/run/fleet.sock, http://HOST:PORT or https://HOST:PORT.",
    ],
  ] as const)('%s', async ([words, problem]) => {
    expect(await run(words)).toEqual({ status: 2, stdout: '', stderr: `fleetctl: ${problem}\n` });
  });

  it('verify only warns', async () => {
    expect(await run(['verify', 'a'])).toEqual({
      status: 2,
      stdout: '',
      stderr: 'WARNING: verify is deprecated and checks nothing: units have no signatures\n',
    });
  });
});

describe('fleetctl help and version', () => {
  it.for([[['version']], [['--version']], [['-v']], [['-version']], [['--debug', 'version']]])(
    '%s prints the version',
    async ([words]) => {
      expect(await run(words ?? [])).toEqual({
        status: 0,
        stdout: 'fleetctl version 2.0.0\n',
        stderr: '',
      });
    },
  );

  it.for([[['help']], [['--help']], [['-h']], [['-help']], [[]]])(
    '%s prints help',
    async ([words]) => {
      const { status, stdout, stderr } = await run(words ?? []);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toContain('fleetctl 2.0.0\n');
      expect(stdout).toContain(`${USAGE}\n`);
      expect(stdout).not.toContain('etcd-keyfile');
    },
  );

  it('shows what each command takes', async () => {
    const { stdout } = await run(['help']);
    expect(stdout).toMatch(/^ {2}ssh \[OPTION…\] MACHINE\|UNIT \[COMMAND…\] /m);
    expect(stdout).toMatch(/^ {2}version +print the version$/m);
    expect(stdout).not.toMatch(/WORD|\[options\]/);
  });

  it('of one command', async () => {
    const { stdout } = await run(['help', 'journal']);
    expect(stdout).toContain('Usage: fleetctl journal [OPTION…] UNIT\n');
    expect(stdout).toMatch(/-n, --lines <N> +so many lines \(default: 10\)/);
    expect((await run(['journal', '--help'])).stdout).toBe(stdout);
  });
});

describe('fleetctl and its environment', () => {
  it.for([
    [{ FLEETCTL_REQUEST_TIMEOUT: 'x' }, "FLEETCTL_REQUEST_TIMEOUT is 'x', and must be a number"],
    [{ FLEETCTL_NO_LEGEND: 'x' }, "FLEETCTL_NO_LEGEND is 'x', and must be 'true' or 'false'"],
    [{ FLEETCTL_TUNNEL: 'a:b' }, "--tunnel is 'a:b', and must be"],
    [{ FLEETCTL_DRIVER: 'x' }, "--driver is 'x', and must be"],
    [{ FLEETCTL_FIELDS: 'x' }, "list-units has no field 'x'"],
  ])('%s is read', async ([env, problem]) => {
    const { status, stderr } = await run(['list-units'], env as Io['env']);
    expect(status).toBe(2);
    expect(stderr).toContain(problem);
  });

  it('a given option beats it', async () => {
    const { status } = await run(['list-units', '--fields=unit', '--no-legend=false'], {
      FLEETCTL_FIELDS: 'x',
      FLEETCTL_NO_LEGEND: 'true',
    });
    expect(status).toBe(1); // nothing listens: it got that far
  });

  it.for([
    '--experimental-api',
    '--etcd-keyfile=x',
    '--etcd-certfile=x',
    '--etcd-cafile=x',
    '--driver=API',
    '--tunnel=',
  ])('%s is accepted and ignored', async (word) => {
    expect(await run([word, 'cat', 'a'])).toEqual({
      status: 1,
      stdout: '',
      stderr:
        'fleetctl: no fleet API at unix:///nowhere/fleet.sock: connect ENOENT /nowhere/fleet.sock\n' +
        '  Is fleetd running? systemctl status fleet; or name another with --endpoint.\n',
    });
  });
});
