// How one call reaches the fleet: an endpoint, a tunnel to one, or the store itself; and the ways to other machines.
// Invariant: what was opened is closed when the command has ended, however it ended.
import type { ClientOptions } from '../src/api/client.ts';
import { parseEndpoint, type TlsFiles } from '../src/api/connections.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Context, Io } from './context.ts';
import { endpointsOf } from './endpoints.ts';
import { DEFAULT_ENDPOINT } from './options.ts';
import { PrivateDir } from './private-dir.ts';
import { shellText, type SshSettings } from './remote.ts';
import { Ssh } from './ssh.ts';
import type { Values } from './values.ts';

/** Runs a command with what it needs to speak with the fleet. */
export async function withContext(
  values: Values,
  outer: Io,
  run: (context: Context) => Promise<number>,
): Promise<number> {
  const io = values.flag('debug') ? tracing(outer) : outer;
  const closers: (() => Promise<void>)[] = [];
  const later = (close: () => Promise<void>): void => void closers.unshift(close);
  try {
    const dir = new PrivateDir();
    later(() => dir.remove());
    const ssh = new Ssh(io, sshSettingsOf(values), dir);
    later(() => ssh.close());
    const how = await clientOptionsOf(values, { io, ssh, dir, later });
    const { FleetClient } = await import('../src/api/client.ts');
    const client = new FleetClient({
      requestTimeoutMs: requestTimeoutMsOf(values),
      ...(values.flag('debug') && { trace: (request) => traceRequest(io, request) }),
      ...how,
    });
    later(() => Promise.resolve(client.close()));
    return await run({ ...io, client, ssh });
  } finally {
    for (const close of closers) await close();
  }
}

interface Opened {
  readonly io: Io;
  readonly ssh: Ssh;
  readonly dir: PrivateDir;
  /** Before all that was named before. */
  readonly later: (close: () => Promise<void>) => void;
}

type How = Pick<ClientOptions, 'endpoints' | 'passage' | 'tls'>;

async function clientOptionsOf(values: Values, opened: Opened): Promise<How> {
  const { io, ssh } = opened;
  const endpoint = values.text('endpoint') ?? '';
  const address = values.text('tunnel') ?? '';
  if (usesStore(values)) {
    if (address !== '')
      throw new FleetError('USAGE', '--tunnel and --driver=etcd exclude each other', {
        hint: 'Through a tunnel, the API on the far side is spoken with.',
      });
    return { endpoints: [await openStore(values, opened)] };
  }
  const tls = endpoint.includes('https://') ? { tls: await tlsFilesOf(values, io) } : {};
  if (address === '') return { endpoints: endpointsOf(endpoint, io.env), ...tls };
  const endpoints = endpointsOf(endpoint, {});
  for (const each of endpoints) parseEndpoint(each); // before a person is asked for anything
  return { endpoints, passage: await ssh.openTunnel(address), ...tls };
}

function usesStore(values: Values): boolean {
  const driver = values.text('driver') ?? '';
  if (driver === '' || driver.toLowerCase() === 'api') return false;
  if (driver.toLowerCase() === 'etcd') return true;
  throw new FleetError('USAGE', `--driver is '${driver}', and must be 'API' or 'etcd'`);
}

const DEFAULT_ETCD = 'http://127.0.0.1:2379';

/** Answers the endpoint of an API of our own over the store. */
async function openStore(values: Values, { io, dir, later }: Opened): Promise<string> {
  const endpoint = values.text('endpoint') ?? '';
  const { openDriver } = await import('./driver-etcd.ts');
  const driver = await openDriver(io, {
    endpoints: endpoint === DEFAULT_ENDPOINT ? [DEFAULT_ETCD] : endpoint.split(','),
    prefix: values.text('etcd-key-prefix') ?? '',
    caFile: values.text('ca-file'),
    certFile: values.text('cert-file'),
    keyFile: values.text('key-file'),
    requestTimeoutMs: requestTimeoutMsOf(values),
    dir: await dir.path(),
  });
  later(() => driver.close());
  return driver.endpoint;
}

async function tlsFilesOf(values: Values, io: Io): Promise<TlsFiles> {
  const read = async (option: string): Promise<Buffer | undefined> => {
    const path = values.text(option) ?? '';
    if (path === '') return undefined;
    const bytes = await io.files.read(path);
    if (bytes !== undefined) return Buffer.from(bytes);
    throw new FleetError('USAGE', `--${option}: there is no file '${path}'`);
  };
  return {
    ca: await read('ca-file'),
    cert: await read('cert-file'),
    key: await read('key-file'),
  };
}

/** ms; 0: no bound. Through a tunnel, each connection begins with what is one more over SSH. */
function requestTimeoutMsOf(values: Values): number {
  const requestMs = (values.number('request-timeout') ?? 0) * 1000;
  if ((values.text('tunnel') ?? '') === '') return requestMs;
  const sshMs = (values.number('ssh-timeout') ?? 0) * 1000;
  return requestMs === 0 || sshMs === 0 ? 0 : requestMs + sshMs;
}

function sshSettingsOf(values: Values): SshSettings {
  return {
    username: values.text('ssh-username') ?? 'core',
    strictHostKeyChecking: values.flag('strict-host-key-checking'),
    knownHostsFile: values.text('known-hosts-file') ?? '',
    timeoutSec: values.number('ssh-timeout') ?? 0,
  };
}

/** Says what is run. */
function tracing(io: Io): Io {
  const say = (command: readonly string[]): void => io.stderr(`debug: ${shellText(command)}\n`);
  return {
    ...io,
    spawn: async (command, env) => {
      say(command);
      return await io.spawn(command, env);
    },
    start: (command, env) => {
      say(command);
      return io.start(command, env);
    },
  };
}

function traceRequest(io: Io, request: string): (outcome: string) => void {
  const beganMs = io.clock.now();
  return (outcome) => {
    const tookMs = Math.round(io.clock.now() - beganMs);
    io.stderr(`debug: ${request}: ${outcome} after ${tookMs} ms\n`);
  };
}
