#!/usr/bin/env node
// fleetctl. The only file of cli/ that touches the process: arguments, environment, outputs, signals, exit status.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';
import type { Duplex } from 'node:stream';
import { FleetError } from '../src/model/errors.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { VERSION } from '../src/runtime/version.ts';
import type { Io } from './context.ts';
import { fleetctl } from './fleetctl.ts';
import { readLocalFile } from './local-file.ts';

function ioOf(signal: AbortSignal): Io {
  const noColour = (process.env['NO_COLOR'] ?? '') !== '' || process.env['TERM'] === 'dumb';
  return {
    env: process.env,
    version: VERSION,
    clock: systemClock,
    signal,
    colours: {
      stdout: !noColour && process.stdout.isTTY,
      stderr: !noColour && process.stderr.isTTY,
    },
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    readFile: readLocalFile,
    stdinIsTerminal: isatty(0), // without opening the stream: what SSH asks and runs reads it
    joinSocket: async (path) =>
      await (await import('./forward.ts')).joinSocket(path, process.stdin, process.stdout),
    join: joinProgram,
    spawn: (command, env) => spawnHere(command, env, signal),
  };
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

function joinProgram([program = '', ...args]: readonly string[], stream: Duplex): void {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const end = (): void => void stream.destroy();
  child.once('error', end);
  child.stdin.on('error', end); // it ended first: its own words say why
  stream.on('error', () => child.kill()).once('close', () => child.kill());
  stream.pipe(child.stdin);
  child.stdout.pipe(stream);
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
