#!/usr/bin/env node
// fleetctl. The only file of cli/ that touches the process: arguments, environment, outputs, signals, exit status.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { constants, homedir } from 'node:os';
import { FleetError } from '../src/model/errors.ts';
import { systemClock } from '../src/runtime/clock.ts';
import type { Io } from './context.ts';
import { fleetctl } from './fleetctl.ts';

function ioOf(signal: AbortSignal): Io {
  const noColour = (process.env['NO_COLOR'] ?? '') !== '' || process.env['TERM'] === 'dumb';
  return {
    env: process.env,
    version: ownVersion(),
    clock: systemClock,
    signal,
    colours: {
      stdout: !noColour && process.stdout.isTTY,
      stderr: !noColour && process.stderr.isTTY,
    },
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    readFile: readLocalFile,
    spawn: (command, env) => spawnHere(command, env, signal),
  };
}

async function readLocalFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path.replace(/^~(?=\/)/, homedir()));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR') || hasCode(error, 'ENOTDIR'))
      return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new FleetError('NOT_FOUND', `the file '${path}' cannot be read: ${why}`, {
      cause: error,
    });
  }
}

/** Answers the program's exit status; 128 and the signal's number where one ended it, as a shell has it. */
async function spawnHere(
  [program = '', ...args]: readonly string[],
  env: Io['env'],
  signal: AbortSignal,
): Promise<number> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    const end = (): void => void child.kill();
    signal.addEventListener('abort', end, { once: true });
    child.once('error', (cause) => {
      const hint = program === 'ssh' ? 'Install it: apt-get install openssh-client' : undefined;
      reject(
        new FleetError('NOT_FOUND', `'${program}' cannot be run here: ${cause.message}`, {
          cause,
          ...(hint !== undefined && { hint }),
        }),
      );
    });
    child.once('exit', (status, name) => {
      signal.removeEventListener('abort', end);
      resolve(status ?? 128 + (name === null ? 0 : constants.signals[name]));
    });
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

// A reader that went away (`fleetctl list-units | head`) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
const stop = new AbortController();
const end = (): void => stop.abort(new Error('interrupted'));
process.once('SIGINT', end).once('SIGTERM', end); // a second one ends it at once
process.exitCode = await fleetctl(process.argv.slice(2), ioOf(stop.signal));
process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
