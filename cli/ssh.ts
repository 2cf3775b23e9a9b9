// Runs commands on other machines through the system's OpenSSH client.
// Invariant: one file of keys and one set of rules for all connections of a call; close() leaves nothing behind.
import type { Io } from './context.ts';
import { askingOnStdin, knownHostsFile } from './host-keys.ts';
import { PrivateDir } from './private-dir.ts';
import { sshCommand, type SshCall, type SshSettings } from './remote.ts';

/** SSH as the options of one call ask for it. */
export class Ssh {
  readonly #io: Io;
  readonly #asked: SshSettings;
  readonly #dir = new PrivateDir();

  constructor(io: Io, settings: SshSettings) {
    this.#io = io;
    this.#asked = settings;
  }

  /** Answers the remote command's exit status, or 255 where ssh failed; ssh has then said why. */
  async run(call: SshCall): Promise<number> {
    const command = sshCommand(await this.#settings(), call);
    return await this.#io.spawn(command, await this.#environment());
  }

  async close(): Promise<void> {
    await this.#dir.remove();
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
