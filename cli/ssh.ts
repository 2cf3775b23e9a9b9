// SSH for one call of fleetctl, by OpenSSH's client: commands on machines, and the tunnel to a fleetd that is not within reach.
// Invariant: a new host's key is taken only on a person's yes; nothing of it is left when it is closed.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { FleetError } from '../src/model/errors.ts';
import { ASKPASS_SCRIPT } from './askpass.ts';
import type { Io } from './context.ts';
import {
  knownHostsPath,
  shellCommand,
  sshCommand,
  type SshHost,
  type SshOptions,
} from './remote.ts';

/** Options of all SSH of one call; the port is a matter of each machine. */
export type SshSettings = Omit<SshOptions, 'port'> & { readonly tunnel: SshHost | undefined };

/** What is asked of one machine. */
export interface SshCall {
  readonly host: string;
  readonly port: number | undefined;
  /** For the shell on the far side; undefined: a shell. */
  readonly command: string | undefined;
  readonly forwardAgent?: boolean;
}

/** SSH of one call of fleetctl. `close` it. */
export class Ssh {
  readonly #io: Io;
  readonly #settings: SshSettings;
  #folder: Promise<string> | undefined;
  #tunnel: Promise<string> | undefined;
  #server: Server | undefined;
  readonly #connections = new Set<Socket>();

  constructor(io: Io, settings: SshSettings) {
    this.#io = io;
    this.#settings = settings;
  }

  /** Runs a command on a machine with our own terminal, through the tunnel if there is one; answers its exit status, 255 for SSH's own failure. */
  async run({ host, port, command, forwardAgent = false }: SshCall): Promise<number> {
    const control = await this.#openTunnel();
    const words = sshCommand({ host, port }, this.#options(), [
      ...(forwardAgent ? ['-A'] : []),
      ...(control === undefined ? [] : ['-o', `ProxyCommand=${this.#proxyCommand(control)}`]),
    ]);
    const all = command === undefined ? words : [...words, '--', command];
    return await this.#io.spawn(all, await this.#environment());
  }

  /** Makes a socket of this machine whose connections end in `endpoint`, as the far side of the tunnel reaches it. Answers its path; undefined without a tunnel. */
  async listen(endpoint: string): Promise<string | undefined> {
    const control = await this.#openTunnel();
    if (control === undefined) return undefined;
    const path = join(await this.#openFolder(), 'api');
    const command = this.#connector(control, endpoint);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.delete(socket));
      this.#io.join(command, socket);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    return path;
  }

  async close(): Promise<void> {
    this.#server?.close();
    for (const connection of this.#connections) connection.destroy();
    const control = await this.#tunnel?.catch(() => undefined);
    const { tunnel } = this.#settings;
    if (control !== undefined && tunnel !== undefined)
      await this.#io.spawn(['ssh', '-q', '-S', control, '-O', 'exit', tunnel.host], this.#io.env);
    const folder = await this.#folder;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }

  #options(): SshOptions {
    return { ...this.#settings, port: undefined };
  }

  /** Opens the tunnel, once; answers the socket that OpenSSH shares the connection by. */
  async #openTunnel(): Promise<string | undefined> {
    const { tunnel } = this.#settings;
    if (tunnel === undefined) return undefined;
    this.#tunnel ??= this.#connectTunnel(tunnel);
    return await this.#tunnel;
  }

  async #connectTunnel(tunnel: SshHost): Promise<string> {
    const control = join(await this.#openFolder(), 'ssh');
    const options = [
      'ControlMaster=yes',
      `ControlPath=${control}`,
      `ControlPersist=${PERSIST_SEC}`,
    ];
    // -N -f: in the background once the host and we know each other.
    const command = sshCommand(tunnel, this.#options(), [
      ...[...options, 'ServerAliveInterval=15'].flatMap((option) => ['-o', option]),
      '-N',
      '-f',
    ]);
    const status = await this.#io.spawn(command, await this.#environment());
    if (status !== 0)
      throw new FleetError(
        'API_UNREACHABLE',
        `no tunnel to '${tunnel.host}': ssh ended with ${status}`,
        {
          hint: `Try: ${shellCommand(sshCommand(tunnel, this.#options()))}`,
        },
      );
    return control;
  }

  /** What joins its standard input and output to the endpoint. */
  #connector(control: string, endpoint: string): readonly string[] {
    // Should the shared connection be gone, it fails: it makes none of its own.
    const through = ['ssh', '-S', control, '-o', 'ProxyCommand=false'];
    const { host = '' } = this.#settings.tunnel ?? {};
    if (endpoint.startsWith('unix://')) {
      const path = endpoint.slice('unix://'.length);
      return [...through, host, '--', forwardCommand(path)];
    }
    const url = URL.parse(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
    if (url?.protocol !== 'http:')
      throw new FleetError('USAGE', `'${endpoint}' is no endpoint behind a tunnel`, {
        hint: 'Write unix:///var/run/fleet.sock or http://HOST:PORT, as the far side reaches it.',
      });
    return [...through, '-W', `${url.hostname}:${url.port === '' ? '80' : url.port}`, host];
  }

  #proxyCommand(control: string): string {
    const { host = '' } = this.#settings.tunnel ?? {};
    return shellCommand(['ssh', '-S', control, '-o', 'ProxyCommand=false', '-W', '[%h]:%p', host]);
  }

  /** Without a terminal OpenSSH would refuse each new host: its questions come to our own standard input. */
  async #environment(): Promise<Io['env']> {
    const { env, stdinIsTerminal } = this.#io;
    const { strictHostKeyChecking: isStrict } = this.#settings;
    if (!isStrict) return env;
    await mkdir(dirname(knownHostsPath(this.#options())), { recursive: true, mode: 0o700 });
    if (stdinIsTerminal) return env;
    const script = join(await this.#openFolder(), 'askpass');
    await writeFile(script, ASKPASS_SCRIPT, { mode: 0o700 });
    const { SSH_ASKPASS: own } = env;
    return {
      ...env,
      ...(own !== undefined && { FLEETCTL_SSH_ASKPASS: own }),
      SSH_ASKPASS: script,
      SSH_ASKPASS_REQUIRE: 'force', // ssh(1), since 8.4: though there is no DISPLAY
    };
  }

  async #openFolder(): Promise<string> {
    this.#folder ??= mkdtemp(join(tmpdir(), 'fleetctl-'));
    return await this.#folder;
  }
}

/** s; how long a tunnel outlives a fleetctl that was killed. */
const PERSIST_SEC = 15;

/** A shell that is no login shell has not read the profile, where people put fleetctl's directory into PATH. */
function forwardCommand(path: string): string {
  const profile = '{ command -v fleetctl || . ~/.bash_profile || . ~/.profile; } > /dev/null 2>&1';
  return `${profile}; exec ${shellCommand(['fleetctl', 'fd-forward', path])}`;
}
