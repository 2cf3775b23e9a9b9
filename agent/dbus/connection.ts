// One socket to a bus, authenticated: messages go in and out as bytes.
// Invariant: whoever opened it is told exactly once that it closed, and why.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { FleetError } from '../../src/model/errors.ts';
import type { BusAddress } from './address.ts';
import { Frames } from './wire.ts';

const AUTH_LINE_MAX_BYTES = 1024;

export interface ConnectionEvents {
  onFrame(frame: Buffer): void;
  onClosed(error: FleetError): void;
}

export interface Connection {
  send(bytes: Buffer): void;
  close(): void;
}

/** Connects and authenticates as this process's user (EXTERNAL); without file descriptors, which Node cannot receive. */
export function openConnection(
  address: BusAddress,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const socket = connect(address.socketPath);
    const frames = new Frames();
    let up = false;
    let why: unknown;
    const abort = (): void => void socket.destroy();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', (error) => (why ??= error));
    socket.once('close', () => {
      signal.removeEventListener('abort', abort);
      const error = closedError(address, why);
      if (up) events.onClosed(error);
      else reject(signal.aborted ? (signal.reason as Error) : error);
    });
    const onFrames = (chunk: Buffer): void => {
      try {
        for (const frame of frames.push(chunk)) events.onFrame(frame);
      } catch (error) {
        // After bytes that cannot be read there is no way to find the next message.
        why ??= error;
        socket.destroy();
      }
    };
    authenticate(socket, (rest) => {
      up = true;
      signal.removeEventListener('abort', abort);
      resolve({ send: (bytes) => void socket.write(bytes), close: () => void socket.destroy() });
      socket.on('data', onFrames);
      if (rest.length > 0) onFrames(rest);
    });
  });
}

function authenticate(socket: Socket, done: (rest: Buffer) => void): void {
  const uid = Buffer.from(String(process.getuid?.() ?? 0)).toString('hex');
  let line = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf('\r\n');
    if (end < 0 && line.length < AUTH_LINE_MAX_BYTES) return;
    socket.off('data', onData);
    const answer = line.subarray(0, Math.max(end, 0)).toString('latin1');
    if (!answer.startsWith('OK ')) {
      socket.destroy(new Error(`authentication was answered with '${answer}'`));
      return;
    }
    socket.write('BEGIN\r\n');
    done(line.subarray(end + 2));
  };
  socket.on('data', onData);
  socket.write(`\0AUTH EXTERNAL ${uid}\r\n`);
}

function closedError(address: BusAddress, cause: unknown): FleetError {
  const reason = cause instanceof Error ? cause.message : 'the other side closed it';
  const socketPath = address.socketPath.replace('\0', '@');
  return new FleetError('DBUS_CLOSED', `no connection to D-Bus at '${socketPath}': ${reason}`, {
    cause,
    hint: 'Check that systemd and its bus run: systemctl status dbus.',
    details: { socketPath },
  });
}
