// Which command reaches a machine: the words for OpenSSH, and the environment for a systemd of this machine.
// Invariant: pure; the command's own exit status and output are passed on untouched by whoever runs it.
import { homedir } from 'node:os';
import type { V2Daemon } from '../src/api/types.ts';
import type { Io } from './context.ts';

export interface SshOptions {
  readonly port: number | undefined;
  readonly username: string;
  readonly strictHostKeyChecking: boolean;
  readonly knownHostsFile: string;
  readonly timeoutSec: number;
}

/** The OpenSSH command line; words are quoted for the shell on the far side. */
export function sshCommand(ip: string, command: readonly string[], ssh: SshOptions): string[] {
  const { strictHostKeyChecking: isStrict, knownHostsFile } = ssh;
  const options = [
    `UserKnownHostsFile=${isStrict ? knownHostsFile.replace(/^~(?=\/)/, homedir()) : '/dev/null'}`,
    `StrictHostKeyChecking=${isStrict ? 'ask' : 'no'}`,
    `ConnectTimeout=${Math.ceil(ssh.timeoutSec)}`,
    ...(isStrict ? [] : ['LogLevel=ERROR']),
  ];
  return [
    'ssh',
    ...options.flatMap((option) => ['-o', option]),
    ...(ssh.port === undefined ? [] : ['-p', String(ssh.port)]),
    `${ssh.username}@${ip}`,
    '--',
    command.map(shellQuote).join(' '),
  ];
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
