// fd-forward: joins standard input and output to a unix socket. What --tunnel runs on the far side.
// Invariant: each direction ends by itself: the end of input ends our half of the socket, its end closes standard output.
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { FleetError } from '../../src/model/errors.ts';
import type { Io } from '../context.ts';

/** Ends when both directions have ended; answers the exit status. */
export async function fdForward(io: Io, socket: string): Promise<number> {
  const path = socket.replace(/^unix:\/\//, '');
  const connection = connect({ path, allowHalfOpen: true });
  const { stdin } = io.streams;
  const leave = (): void => void connection.destroy(new Error('interrupted'));
  io.signal.addEventListener('abort', leave, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.once('connect', resolve);
      connection.once('error', reject);
    });
    await Promise.all([pipeline(stdin, connection), pipeline(connection, io.streams.openStdout())]);
    return 0;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FleetError('API_UNREACHABLE', `the socket '${path}': ${why}`, {
      cause,
      hint: why.includes('EACCES')
        ? "It is for root and for the group 'fleet'."
        : 'Is fleetd running? systemctl status fleet',
    });
  } finally {
    io.signal.removeEventListener('abort', leave);
    connection.destroy();
    stdin.destroy();
  }
}
