// Runs a command where a unit runs: here without SSH when it is this machine, else through the system's OpenSSH client.
// Invariant: the command's own exit status is passed on, its output is not touched.
import { spawn } from 'node:child_process';
import type { V2Daemon } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Context } from './context.ts';

export interface SshOptions {
  readonly port: number | undefined;
  readonly username: string;
  readonly strictHostKeyChecking: boolean;
  readonly knownHostsFile: string;
  readonly timeoutSec: number;
}

export interface Place {
  readonly machineID: string;
  readonly ip: string;
}

/** Runs `command` at `place` with our own terminal; answers its exit status. */
export async function runAt(
  context: Context,
  place: Place,
  command: readonly string[],
  ssh: SshOptions,
): Promise<number> {
  if ((await context.localMachineId()) === place.machineID) return await run(command, {});
  return await run(sshCommand(place.ip, command, ssh), {});
}

/** Runs a command of this machine with the environment that reaches its systemd. */
export async function runHere(command: readonly string[], daemon: V2Daemon): Promise<number> {
  return await run(
    command,
    daemon.busAddress === undefined ? {} : { DBUS_SESSION_BUS_ADDRESS: daemon.busAddress },
  );
}

/** The OpenSSH command line; words are quoted for the shell on the far side. */
export function sshCommand(ip: string, command: readonly string[], ssh: SshOptions): string[] {
  return [
    'ssh',
    '-o',
    `UserKnownHostsFile=${ssh.strictHostKeyChecking ? ssh.knownHostsFile : '/dev/null'}`,
    '-o',
    `StrictHostKeyChecking=${ssh.strictHostKeyChecking ? 'ask' : 'no'}`,
    '-o',
    `ConnectTimeout=${ssh.timeoutSec}`,
    ...(ssh.port === undefined ? [] : ['-p', String(ssh.port)]),
    `${ssh.username}@${ip}`,
    '--',
    command.map(shellQuote).join(' '),
  ];
}

function shellQuote(word: string): string {
  return /^[A-Za-z0-9_\-./=:@,%+]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function run(command: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [program = '', ...args] = command;
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', (cause) => {
      reject(
        new FleetError('USAGE', `'${program}' cannot be run here: ${cause.message}`, {
          cause,
          hint:
            program === 'ssh'
              ? 'Install OpenSSH: apt-get install openssh-client'
              : 'Is it installed?',
        }),
      );
    });
    child.once('exit', (status) => resolve(status ?? 1));
  });
}
