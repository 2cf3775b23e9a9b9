import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { runProcess } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const dir = tempDir();
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** The path of a socket; each connection is handed to `serve`. */
async function listening(serve: (socket: Socket) => void): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, serve);
  servers.push(server);
  const path = join(dir, `s${performance.now()}`);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

/** Iterating over a socket would end its other half too. */
async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

async function serveWhole(socket: Socket): Promise<void> {
  socket.end(await readAll(socket));
}

describe('fleetctl fd-forward', () => {
  it('answers after the end of its input, and loses nothing of much', async () => {
    const path = await listening((socket) => void serveWhole(socket));
    const sent = randomBytes(5_000_000);
    const child = spawn(process.execPath, [MAIN, 'fd-forward', path], { stdio: 'pipe' });
    child.stdin.end(sent);
    const closed = once(child, 'close');
    expect((await readAll(child.stdout)).equals(sent)).toBe(true);
    expect((await closed)[0]).toBe(0);
  });

  it('ends its output when the server does, and goes on with its input', async () => {
    let heard: Promise<Buffer> | undefined;
    const path = await listening((socket) => {
      heard = readAll(socket);
      socket.end('bye');
    });
    const child = spawn(process.execPath, [MAIN, 'fd-forward', `unix://${path}`], {
      stdio: 'pipe',
    });
    const closed = once(child, 'close');
    expect((await readAll(child.stdout)).toString()).toBe('bye'); // while our end is open
    child.stdin.end('late');
    expect((await closed)[0]).toBe(0);
    expect((await heard)?.toString()).toBe('late');
  });

  it('says that nothing listens', async () => {
    const { ended } = runProcess(['fd-forward', '/nowhere/s'], { FLEETCTL_TUNNEL: 'ignored' });
    expect(await ended).toEqual({
      status: 1,
      stdout: '',
      stderr:
        "fleetctl: the socket '/nowhere/s': connect ENOENT /nowhere/s\n  Is fleetd running? systemctl status fleet\n",
    });
  });

  it('ends with its signal while nothing happens', async () => {
    let connected = (): void => undefined;
    const isConnected = new Promise<void>((resolve) => (connected = resolve));
    const path = await listening((socket) => {
      socket.on('error', () => undefined).resume();
      connected();
    });
    const child = spawn(process.execPath, [MAIN, 'fd-forward', path], { stdio: 'pipe' });
    const closed = once(child, 'close');
    await isConnected;
    child.kill('SIGTERM');
    expect((await closed)[0]).toBe(130);
  });
});
