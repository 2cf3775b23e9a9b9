// A systemd of the test's own: lab/private-systemd as a child process that dies with the test.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../lab/private-systemd', import.meta.url));

export interface PrivateSystemd {
  /** Has the same path for systemd; put unit files here. */
  readonly dir: string;
  /** D-Bus address of its session bus. */
  readonly address: string;
  /** Address of systemd's own socket, which needs no bus. */
  readonly privateAddress: string;
  /** Variables with which `systemctl --user` talks to it. */
  readonly env: Readonly<Record<string, string>>;
  /** Arguments of journalctl that show a unit's output and systemd's lines of it. */
  journalArgs(unit: string): readonly string[];
  /** Runs a command with `env` and answers its stdout; throws when it fails. */
  run(command: string, ...args: readonly string[]): string;
  /** Runs `systemctl --user` against it and answers its stdout; throws when it fails. */
  systemctl(...args: readonly string[]): string;
  /** Ends it with everything that it runs, and removes `dir`. */
  stop(): Promise<void>;
}

/** Why no private systemd can run here; undefined where one can. */
export function privateSystemdMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'a private systemd needs root';
  if (!existsSync('/lib/systemd/systemd')) return 'no /lib/systemd/systemd (package systemd)';
  if (!existsSync('/usr/bin/dbus-daemon')) return 'no /usr/bin/dbus-daemon (package dbus)';
  return undefined;
}

/** Starts one, and answers when it is up. Several may run at once. */
export async function startPrivateSystemd(): Promise<PrivateSystemd> {
  const dir = await mkdtemp(join(tmpdir(), 'systemd-'));
  const child = spawn(SCRIPT, ['run', dir, '--until-eof'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const up = await new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('units=')) resolve(true);
    });
    child.once('close', () => resolve(false));
    child.once('error', () => resolve(false));
  });
  if (!up) throw new Error(`no private systemd: ${complaint}`);
  const env = { XDG_RUNTIME_DIR: `${dir}/run` };
  const run = (command: string, ...args: readonly string[]): string => {
    const done = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${done.stderr}`);
    return done.stdout;
  };
  return {
    dir,
    address: `unix:path=${dir}/bus`,
    privateAddress: `unix:path=${dir}/run/systemd/private`,
    env,
    journalArgs: (unit) => [`--directory=${dir}/journal`, '--no-pager', `--user-unit=${unit}`],
    run,
    systemctl: (...args) => run('systemctl', '--user', '--no-pager', ...args),
    async stop() {
      child.stdin.end();
      await ended;
      await rm(dir, { recursive: true, force: true });
    },
  };
}
