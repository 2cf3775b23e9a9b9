// Where the API listens: sockets that systemd passed, a unix socket of its own, or TCP.
// Invariant: a unix socket is never open to more than its mode says, and never taken from a process that lives.
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { FleetError } from '../model/errors.ts';
import { CONNECTIONS_MAX } from '../model/limits.ts';

export type ListenTarget =
  | Readonly<{ fd: number }>
  | Readonly<{ path: string; mode?: number }>
  | Readonly<{ host: string; port: number }>;

/** What a listener has come to listen on: a path, or host and port; nothing for a passed descriptor of unknown kind. */
export interface Listening {
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
}

/** Owner and group may connect: whoever may is root on every host. */
const SOCKET_MODE = 0o660;

/** Makes `server` listen; throws CONFIG_INVALID where another process does, or the target cannot be had. */
export async function listenOn(server: Server, target: ListenTarget): Promise<Listening> {
  if ('path' in target) await removeStale(target.path);
  const bound = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
  });
  try {
    if ('path' in target) bindSocket(server, target.path, target.mode ?? SOCKET_MODE);
    else {
      const where = 'fd' in target ? { fd: target.fd } : { host: target.host, port: target.port };
      server.listen({ ...where, backlog: CONNECTIONS_MAX });
    }
    await bound;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError('CONFIG_INVALID', `cannot listen on '${nameOf(target)}': ${why}`, {
      cause,
      hint: 'Is another fleetd running, or is the address not of this machine?',
    });
  }
  const address = server.address();
  if (typeof address === 'string') return { path: address };
  return address === null ? {} : { host: address.address, port: address.port };
}

/** Binds under a umask, as a chmod afterwards would leave a moment in which others may connect. The binding itself is synchronous. */
function bindSocket(server: Server, path: string, mode: number): void {
  const before = process.umask(0o777 & ~mode);
  try {
    server.listen({ path, backlog: CONNECTIONS_MAX });
  } finally {
    process.umask(before);
  }
  if (server.listening) chmodSync(path, mode);
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new FleetError('CONFIG_INVALID', `cannot listen on '${path}': it is not a socket`, {
      hint: 'Move it away, or choose another path.',
      details: { path },
    });
  const isLive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    // Refused: nobody listens. Anything else, such as a lack of permission, says nothing about that.
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
  if (isLive)
    throw new FleetError('CONFIG_INVALID', `cannot listen on '${path}': another process does`, {
      hint: 'Is another fleetd running? systemctl status fleet',
      details: { path },
    });
  unlinkSync(path);
}

function nameOf(target: ListenTarget): string {
  if ('fd' in target) return `file descriptor ${target.fd}`;
  return 'path' in target ? target.path : `${target.host}:${target.port}`;
}
