// Reaches the API on the far side of an SSH connection: `fleetctl fd-forward` there, a socket of ours here.
// Invariant: one login for all: a master connection (ControlMaster of ssh_config(5)) carries every request and every jump.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { EndpointTarget, Passage } from '../src/api/connections.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Child, Io } from './context.ts';
import {
  forwardCommand,
  optionValue,
  shellText,
  sshCommand,
  type SshCall,
  type SshSettings,
} from './remote.ts';

export interface TunnelOptions {
  /** `HOST[:PORT]`. */
  readonly address: string;
  readonly settings: SshSettings;
  /** With it, ssh can ask about the host's key. */
  readonly env: Io['env'];
  /** A private directory for sockets. */
  readonly dir: string;
}

/** s that a master outlives a fleetctl that was killed. */
const ORPHANED_SEC = 60;
/** s without a sign of life after which ssh asks for one; after three it gives up (ServerAliveCountMax). */
const ALIVE_SEC = 10;

/** The SSH connection of one call of fleetctl. `open` before all else; `close` leaves nothing behind. */
export class Tunnel implements Passage {
  readonly name: string;
  /** Each is a fleetctl on the far side; sshd allows 10 sessions a connection (MaxSessions of sshd_config(5)). */
  readonly connectionsMax = 4;
  readonly #io: Io;
  readonly #options: TunnelOptions;
  readonly #host: Readonly<{ host: string; port?: number }>;
  /** By what runs on the far side: the path of a socket here. */
  readonly #paths = new Map<string, Promise<string>>();
  readonly #servers: Server[] = [];
  readonly #children = new Set<Child>();
  /** What children have said: a request that is sent again is not to say it twice. */
  readonly #said = new Set<string>();
  #isOpen = false;

  constructor(io: Io, options: TunnelOptions) {
    this.#io = io;
    this.#options = options;
    this.#host = parseAddress(options.address);
    this.name = options.address;
  }

  /** Logs in. API_UNREACHABLE where that fails; ssh has then said why. */
  async open(): Promise<void> {
    const { settings, env } = this.#options;
    const options = [
      'ControlMaster=yes',
      `ControlPersist=${ORPHANED_SEC}`,
      `ServerAliveInterval=${ALIVE_SEC}`,
    ].flatMap((option) => ['-o', option]);
    const call = { ...this.#host, words: ['-f', '-N', ...options, ...this.#control] };
    const status = await this.#io.spawn(sshCommand(settings, call), env);
    if (status !== 0)
      throw new FleetError('API_UNREACHABLE', `no SSH connection to '${this.name}'`, {
        hint: 'Look at --tunnel, --ssh-username and --known-hosts-file.',
      });
    this.#isOpen = true;
  }

  /** The path of a socket of this machine whose connections end at the target on the far side. */
  async socketTo(target: EndpointTarget): Promise<string> {
    const call = callTo(target);
    const id = JSON.stringify(call);
    const known = this.#paths.get(id);
    if (known !== undefined) return await known;
    const path = this.#serve(join(this.#options.dir, `api${this.#paths.size}`), call);
    this.#paths.set(id, path);
    return await path;
  }

  /** For ssh: the way to further machines is through this one. */
  get proxyCommand(): string {
    const target = 'TARGET';
    const words = this.#command({ words: ['-W', target] });
    const escaped = words.map((word) => (word === target ? '[%h]:%p' : word.replaceAll('%', '%%')));
    return shellText(escaped); // ssh itself puts `exec` before it
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill();
    for (const server of this.#servers) server.close();
    if (!this.#isOpen) return;
    const child = this.#io.start(this.#command({ words: ['-O', 'exit'] }), this.#io.env);
    await child.ended;
  }

  get #control(): readonly string[] {
    return ['-o', `ControlPath=${optionValue(join(this.#options.dir, 'ssh'))}`];
  }

  /** Through the master. Should it have ended, ssh logs in anew if it can without asking. */
  #command(call: Omit<SshCall, 'host'>): readonly string[] {
    const words = ['-o', 'ControlMaster=no', '-o', 'BatchMode=yes', ...(call.words ?? [])];
    const { settings } = this.#options;
    return sshCommand(settings, { ...call, ...this.#host, words: [...this.#control, ...words] });
  }

  async #serve(path: string, call: Omit<SshCall, 'host'>): Promise<string> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#join(socket, call));
    this.#servers.push(server);
    server.listen({ path });
    await once(server, 'listening');
    return path;
  }

  #join(socket: Socket, call: Omit<SshCall, 'host'>): void {
    const child = this.#io.start(this.#command(call), this.#io.env);
    this.#children.add(child);
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
    const end = (): void => {
      socket.destroy();
      child.kill();
    };
    socket.once('error', end).once('close', end);
    child.stdin.once('error', end);
    const ended = child.ended.then((status) => {
      this.#children.delete(child);
      // What it has written is read to its end first, unless it failed.
      if (status !== 0) socket.destroy();
      this.#say(child.said());
    });
    void ended;
  }

  #say(text: string): void {
    if (this.#io.signal.aborted || this.#said.has(text)) return;
    this.#said.add(text);
    this.#io.stderr(text);
  }
}

/** What runs there: HTTP to a port goes on from sshd itself, a unix socket is joined by the fleetctl there. */
function callTo({ socketPath, host = '', port = 0 }: EndpointTarget): Omit<SshCall, 'host'> {
  if (socketPath === undefined) {
    const name = host.includes(':') ? `[${host}]` : host;
    return { words: ['-W', `${name}:${port}`] };
  }
  return { command: forwardCommand(socketPath) };
}

/** Reads `HOST[:PORT]`, also `[::1]:22`. */
function parseAddress(text: string): { host: string; port?: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+|[^[\]]*:[^[\]]*:[^[\]]*))(?::([0-9]{1,5}))?$/.exec(
    text,
  );
  const host = match?.[1] ?? match?.[2];
  if (host === undefined)
    throw new FleetError('USAGE', `--tunnel is '${text}', and must be HOST or HOST:PORT`);
  return { host, ...(match?.[3] !== undefined && { port: Number(match[3]) }) };
}
