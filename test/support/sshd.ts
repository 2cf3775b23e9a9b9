// A real OpenSSH server on loopback, with keys of its own, an agent that holds the client's key, and programs for those who log in.
// Invariant: nothing is left behind: server and agent are ended, what they say goes to files of the directory given.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.ts';
import { freePorts } from './ports.ts';

const SSHD = '/usr/sbin/sshd';
const CLIENT = ['/usr/bin/ssh', '/usr/bin/ssh-add', '/usr/bin/ssh-agent', '/usr/bin/ssh-keygen'];
const PRIVILEGE_SEPARATION = '/run/sshd';
const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** Why tests with SSH cannot run here, or undefined when they can. */
export const sshMissing: string | undefined = [SSHD, ...CLIENT].every((file) => existsSync(file))
  ? undefined
  : `${SSHD} or ${CLIENT.join(', ')} is not installed (apt-get install openssh-server openssh-client)`;

export class Sshd {
  /** Who logs in: sshd may run as anyone, and then serves nobody else. */
  readonly user = userInfo().username;
  readonly #dir: string;
  readonly #children = new Set<ChildProcess>();
  #port = 0;
  #server: ChildProcess | undefined;
  #madePrivilegeSeparation = false;

  constructor(dir: string) {
    this.#dir = dir;
  }

  get port(): number {
    return this.#port;
  }

  /** For those who are to log in: an agent that holds the key. */
  get agent(): string {
    return this.#file('agent.sock');
  }

  /** A directory before all others in the PATH of those who are logged in. */
  get bin(): string {
    return this.#file('bin');
  }

  /** Logins until now. */
  get logins(): number {
    return readFileSync(this.#file('log'), 'utf8').split('Accepted publickey').length - 1;
  }

  /** Listens on 127.0.0.2 and 127.0.0.3. */
  async start(): Promise<this> {
    mkdirSync(this.bin);
    this.program('fleetctl', `exec '${process.execPath}' '${MAIN}' "$@"`);
    if (userInfo().uid === 0 && !existsSync(PRIVILEGE_SEPARATION)) {
      mkdirSync(PRIVILEGE_SEPARATION, { mode: 0o755 });
      this.#madePrivilegeSeparation = true;
    }
    [this.#port] = (await freePorts(1)) as [number];
    this.#makeKey('host');
    this.#makeKey('client');
    writeFileSync(this.#file('config'), this.#config());
    this.#run('ssh-agent', ['-D', '-a', this.agent]);
    await eventually(() => existsSync(this.agent));
    execFileSync('ssh-add', ['-q', this.#file('client')], {
      env: { PATH: process.env['PATH'], SSH_AUTH_SOCK: this.agent },
    });
    await this.#listen();
    return this;
  }

  /** As when the host was made anew: the same address, another key. */
  async replaceHostKey(): Promise<void> {
    await end(this.#server);
    execFileSync('rm', [this.#file('host'), this.#file('host.pub')]);
    this.#makeKey('host');
    await this.#listen();
  }

  /** A shell script for those who are logged in. */
  program(name: string, script: string): void {
    writeFileSync(join(this.bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#children].map(end));
    if (this.#madePrivilegeSeparation) rmdirSync(PRIVILEGE_SEPARATION);
  }

  async #listen(): Promise<void> {
    const heard = this.#log().split('Server listening').length;
    this.#server = this.#run(SSHD, ['-D', '-f', this.#file('config'), '-E', this.#file('log')]);
    await eventually(() => this.#log().split('Server listening').length > heard);
  }

  #log(): string {
    return existsSync(this.#file('log')) ? readFileSync(this.#file('log'), 'utf8') : '';
  }

  #config(): string {
    return [
      'ListenAddress 127.0.0.2',
      'ListenAddress 127.0.0.3',
      `Port ${this.#port}`,
      `HostKey ${this.#file('host')}`,
      `AuthorizedKeysFile ${this.#file('client.pub')}`,
      'PidFile none',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'StrictModes no',
      'UsePAM no',
      'PrintMotd no',
      'Subsystem sftp /bin/false',
      'AllowAgentForwarding yes',
      `SetEnv PATH=${this.bin}:${process.env['PATH'] ?? ''} FLEET_TEST_SSHD=yes`,
      '',
    ].join('\n');
  }

  #makeKey(name: string): void {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', this.#file(name)]);
  }

  /** setpriv: it dies also when the test's process is killed. */
  #run(program: string, args: readonly string[]): ChildProcess {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: 'ignore' });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  #file(name: string): string {
    return join(this.#dir, name);
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await gone;
}
