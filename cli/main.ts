#!/usr/bin/env node
// fleetctl. The only file of cli/ that touches the process: arguments, environment, outputs, signals, exit status.
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { FleetError } from '../src/model/errors.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { VERSION } from '../src/runtime/version.ts';
import type { Child, Io } from './context.ts';
import { fleetctl } from './fleetctl.ts';
import { localFiles } from './local-file.ts';

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
    stdinIsTerminal: isatty(0),
    streams: {
      get stdin() {
        return process.stdin;
      },
      openStdout,
    },
    stdout: (text) => void process.stdout.write(text),
    stderr: (text) => void process.stderr.write(text),
    files: localFiles,
    spawn: (command, env) => spawnHere(command, env, signal),
    start: startHere,
    random: Math.random, // oxlint-disable-line no-restricted-properties -- the one place where chance comes in
  };
}

/** Node never closes its standard output: whoever reads it would not learn that it has ended while we go on. */
function openStdout(): Writable {
  return new Writable({
    write: (chunk, _encoding, done) => void process.stdout.write(chunk, done),
    final: (done) => {
      closeSync(1);
      done();
    },
  });
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

/** What it says on its standard error output is kept. */
function startHere([program = '', ...args]: readonly string[], env: Io['env']): Child {
  const child = spawn(program, args, { stdio: 'pipe', env });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text));
  const ended = new Promise<number>((resolve) => {
    child.once('error', (error) => {
      said += `fleetctl: '${program}' cannot be run here: ${error.message}\n`;
      resolve(NOT_RUN);
    });
    child.once('close', (status) => resolve(status ?? NOT_RUN));
  });
  const { stdin, stdout } = child;
  return { stdin, stdout, ended, said: () => said, kill: () => void child.kill() };
}

/** As a shell has it. */
const NOT_RUN = 127;
/** As Node has it of a top-level await, which a bundle for an executable cannot have: nothing was left to wait for, and no answer. */
const UNSETTLED = 13;

// A reader that went away (`fleetctl list-units | head`) is no failure.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
const stop = new AbortController();
const end = (): void => stop.abort(new Error('interrupted'));
process.once('SIGINT', end).once('SIGTERM', end); // a second one ends it at once
process.exitCode = UNSETTLED;
void fleetctl(process.argv.slice(2), ioOf(stop.signal)).then((status) => {
  process.exitCode = status;
  process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
});
