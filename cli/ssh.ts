// Runs commands on other machines through the system's OpenSSH client.
// Invariant: one file of keys and one set of rules for all connections of a call; close() leaves nothing behind.
import type { Child, Io } from './context.ts';
import { askingOnStdin, knownHostsFile } from './host-keys.ts';
import type { PrivateDir } from './private-dir.ts';
import { sshCommand, type SshCall, type SshSettings } from './remote.ts';
import { Tunnel } from './tunnel.ts';

/** SSH as the options of one call ask for it. */
export class Ssh {
  readonly #io: Io;
  readonly #asked: SshSettings;
  readonly #dir: PrivateDir;
  #tunnel: Tunnel | undefined;

  constructor(io: Io, settings: SshSettings, dir: PrivateDir) {
    this.#io = io;
    this.#asked = settings;
    this.#dir = dir;
  }

  /** Logs in to a host, through which all others are reached from now on. */
  async openTunnel(address: string): Promise<Tunnel> {
    this.#tunnel = new Tunnel(this.#io, {
      address,
      settings: await this.#settings(),
      env: await this.#environment(),
      dir: await this.#dir.path(),
    });
    await this.#tunnel.open();
    return this.#tunnel;
  }

  /** Answers the remote command's exit status, or 255 where ssh failed; ssh has then said why. */
  async run(call: SshCall): Promise<number> {
    return await this.#io.spawn(await this.#command(call), await this.#environment());
  }

  /** Starts the command, to be spoken with. Whatever ssh has to ask, it asks on a terminal or not at all. */
  async start(call: SshCall): Promise<Child> {
    const { env, stdinIsTerminal } = this.#io;
    const quiet = stdinIsTerminal ? [] : ['-o', 'BatchMode=yes'];
    const words = [...quiet, ...(call.words ?? [])];
    return this.#io.start(await this.#command({ ...call, words }), env);
  }

  async close(): Promise<void> {
    await this.#tunnel?.close();
  }

  async #command(call: SshCall): Promise<readonly string[]> {
    const proxy = this.#tunnel?.proxyCommand;
    const words = proxy === undefined ? [] : ['-o', `ProxyCommand=${proxy}`];
    return sshCommand(await this.#settings(), {
      ...call,
      words: [...words, ...(call.words ?? [])],
    });
  }

  async #settings(): Promise<SshSettings> {
    const { strictHostKeyChecking: isStrict, knownHostsFile: file } = this.#asked;
    if (!isStrict) return this.#asked;
    return { ...this.#asked, knownHostsFile: await knownHostsFile(file, this.#io.env) };
  }

  async #environment(): Promise<Io['env']> {
    const { env, stdinIsTerminal } = this.#io;
    if (stdinIsTerminal || !this.#asked.strictHostKeyChecking) return env;
    return await askingOnStdin(this.#dir, env);
  }
}
