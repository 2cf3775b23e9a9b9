// Which command reaches a machine: the words for OpenSSH, and the environment for a systemd of this machine.
// Invariant: pure; the command's own exit status and output are passed on untouched by whoever runs it.
import { homedir } from 'node:os';
import type { V2Daemon } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Io } from './context.ts';

export interface SshOptions {
  readonly port: number | undefined;
  readonly username: string;
  readonly strictHostKeyChecking: boolean;
  readonly knownHostsFile: string;
  readonly timeoutSec: number;
}

/** A machine as SSH is told of it. */
export interface SshHost {
  readonly host: string;
  readonly port: number | undefined;
}

/** The OpenSSH command line up to the command for the far side; `more` options go before the host. */
export function sshCommand(
  { host, port }: SshHost,
  ssh: SshOptions,
  more: readonly string[] = [],
): string[] {
  const isStrict = ssh.strictHostKeyChecking;
  const options = [
    `UserKnownHostsFile=${isStrict ? knownHostsPath(ssh) : '/dev/null'}`,
    `StrictHostKeyChecking=${isStrict ? 'ask' : 'no'}`,
    `ConnectTimeout=${Math.ceil(ssh.timeoutSec)}`,
    ...(isStrict ? [] : ['LogLevel=ERROR']),
  ];
  return [
    'ssh',
    ...options.flatMap((option) => ['-o', option]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...more,
    `${ssh.username}@${host}`,
  ];
}

/** The file of known hosts, `~` written out. */
export function knownHostsPath({ knownHostsFile }: SshOptions): string {
  return knownHostsFile.replace(/^~(?=\/)/, homedir());
}

/** Reads HOST[:PORT], [IPV6]:PORT. */
export function readSshHost(text: string): SshHost {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+|[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*))(?::(\d+))?$/i.exec(
    text,
  );
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || host.startsWith('-'))
    throw new FleetError('USAGE', `'${text}' is no host for SSH`, {
      hint: 'Write HOST or HOST:PORT.',
    });
  return { host, port: match?.[3] === undefined ? undefined : Number(match[3]) };
}

/** Words as one command for the shell on the far side. */
export function shellCommand(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}

/** What makes systemctl of this machine speak with the systemd of that fleetd. */
export function environmentFor(daemon: V2Daemon, env: Io['env']): Io['env'] {
  const { runtimeDirectory } = daemon;
  if (runtimeDirectory === undefined) return env;
  return { ...env, XDG_RUNTIME_DIR: runtimeDirectory, DBUS_SESSION_BUS_ADDRESS: undefined };
}

function shellQuote(word: string): string {
  return /^[A-Za-z0-9_\-./=:@,%+]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
