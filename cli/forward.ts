// Joins two streams to a unix socket: what `fleetctl fd-forward` is on the far side of a tunnel.
// Invariant: ends when the socket has ended; the end of the input is passed on and is not the end.
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { FleetError } from '../src/model/errors.ts';

/** Copies both ways until the socket ends. */
export async function joinSocket(path: string, input: Readable, output: Writable): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once('error', (cause: Error) =>
      reject(
        new FleetError(
          'API_UNREACHABLE',
          `the socket '${path}' cannot be joined: ${cause.message}`,
          {
            cause,
            hint: 'Is fleetd running? systemctl status fleet.socket',
          },
        ),
      ),
    );
    socket.once('end', resolve);
    socket.once('close', () => resolve());
    input.pipe(socket);
    socket.pipe(output, { end: false });
  });
  input.destroy();
}
