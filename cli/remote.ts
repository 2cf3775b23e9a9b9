// Which words reach a machine: the command line of OpenSSH, and the environment for a systemd of this machine.
// Invariant: pure; the command's own exit status and output are passed on untouched by whoever runs it.
import type { V2Daemon } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Io } from './context.ts';

/** What holds for every SSH connection of one call. */
export interface SshSettings {
  readonly username: string;
  readonly strictHostKeyChecking: boolean;
  readonly knownHostsFile: string;
  /** 0: no bound. */
  readonly timeoutSec: number;
}

/** What is to be run, and where. */
export interface SshCall {
  readonly host: string;
  readonly port?: number | undefined;
  readonly forwardAgent?: boolean;
  /** For the shell on the far side; without it, a login shell. */
  readonly command?: string | undefined;
  /** Further words for ssh, before the host. */
  readonly words?: readonly string[];
}

/** The OpenSSH command line. Throws USAGE for a host or a user that ssh would read as an option. */
export function sshCommand(settings: SshSettings, call: SshCall): readonly string[] {
  const { host, port, forwardAgent, command, words = [] } = call;
  const destination = `${settings.username}@${host}`;
  if (destination.startsWith('-') || host.startsWith('-') || host === '')
    throw new FleetError('USAGE', `'${destination}' is no destination for SSH`);
  return [
    'ssh',
    ...optionsOf(settings).flatMap((option) => ['-o', option]),
    ...(forwardAgent === true ? ['-A'] : []),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...words,
    destination,
    ...(command === undefined ? [] : ['--', command]),
  ];
}

function optionsOf(settings: SshSettings): readonly string[] {
  const { strictHostKeyChecking: isStrict, knownHostsFile, timeoutSec } = settings;
  const timeout = timeoutSec === 0 ? 'none' : Math.ceil(timeoutSec);
  return [
    `UserKnownHostsFile=${isStrict ? optionValue(knownHostsFile) : '/dev/null'}`,
    `StrictHostKeyChecking=${isStrict ? 'ask' : 'no'}`,
    `ConnectTimeout=${timeout}`,
    // Without checks no list of keys counts, and nothing is said of keys.
    ...(isStrict ? [] : ['GlobalKnownHostsFile=/dev/null', 'LogLevel=ERROR']),
  ];
}

/** A file name as ssh_config(5) reads it: `%` begins a token, and spaces separate names. */
export function optionValue(path: string): string {
  const text = path.replaceAll('%', '%%');
  return /[\s"'\\]/.test(text) ? `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"` : text;
}

/** Words as one text for a shell. */
export function shellText(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** For any shell on the far side: joins its standard input and output to that socket. */
export function forwardCommand(socketPath: string): string {
  return `exec sh -c ${shellText([FORWARD, 'fleetctl', socketPath])}`;
}

/** A fleetctl that only a login shell finds is found too; what its profile prints is no part of the answer. */
const FORWARD = [
  'command -v fleetctl >/dev/null && exec fleetctl fd-forward "$1"',
  'exec 3>&1 >&2',
  `exec "$SHELL" -lc 'exec fleetctl fd-forward "$1" >&3' "$0" "$1"`,
].join('; ');

/** What makes systemctl of this machine speak with the systemd of that fleetd. */
export function environmentFor(daemon: V2Daemon, env: Io['env']): Io['env'] {
  const { runtimeDirectory } = daemon;
  if (runtimeDirectory === undefined) return env;
  return { ...env, XDG_RUNTIME_DIR: runtimeDirectory, DBUS_SESSION_BUS_ADDRESS: undefined };
}

function shellQuote(word: string): string {
  return /^[A-Za-z0-9_\-./=:@,%+]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
