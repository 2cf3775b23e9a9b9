#!/usr/bin/env node
// fleetctl. The only file of cli/ that touches the process: arguments, environment, outputs, signals, exit status.
import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { FleetClient } from '../src/api/client.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { longOptions } from './arguments.ts';
import type { Context } from './context.ts';
import { report } from './exit.ts';
import { DEFAULT_ENDPOINT, makeProgram, usageProblem, type GlobalOptions } from './program.ts';

/** Runs fleetctl with the words after its name; answers the exit status. */
async function main(words: readonly string[]): Promise<number> {
  let status = 0;
  const program = makeProgram({
    version: ownVersion(),
    env: process.env,
    run: async (options, body) => {
      status = await withContext(options, body);
    },
  });
  program
    .exitOverride()
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  for (const command of program.commands)
    command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined, outputError: () => undefined });
  if (words.length === 0) {
    program.outputHelp();
    return 0;
  }
  try {
    await program.parseAsync(longOptions(program, words), { from: 'user' });
    return status;
  } catch (error) {
    const problem = usageProblem(error);
    if (problem === undefined) return report(error, writeStderr);
    if (problem === '') return 0;
    writeStderr(`fleetctl: ${problem}\n  See: fleetctl help\n`);
    return 2;
  }
}

async function withContext(
  options: GlobalOptions,
  body: (context: Context) => Promise<number>,
): Promise<number> {
  const stop = new AbortController();
  const end = (): void => stop.abort(new Error('interrupted'));
  process.once('SIGINT', end).once('SIGTERM', end);
  const client = new FleetClient({
    endpoints: endpointsOf(options.endpoint),
    requestTimeoutMs: options.requestTimeout * 1000,
  });
  try {
    return await body({
      client,
      clock: systemClock,
      signal: stop.signal,
      stdout: (text) => void process.stdout.write(text),
      stderr: writeStderr,
      readFile: readLocalFile,
      localMachineId,
    });
  } catch (error) {
    if (stop.signal.aborted) return 130; // as a shell counts SIGINT
    throw error;
  } finally {
    client.close();
    process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
  }
}

/** The system's socket, then the user's: where nothing else is asked for. */
function endpointsOf(option: string): readonly string[] {
  const given = option.split(',').map((endpoint) => endpoint.trim());
  const runtimeDir = process.env['XDG_RUNTIME_DIR'];
  if (option === DEFAULT_ENDPOINT && runtimeDir !== undefined)
    return [...given, `unix://${runtimeDir}/fleet.sock`];
  return given;
}

async function readLocalFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path.replace(/^~(?=\/)/, homedir()));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'EISDIR') || hasCode(error, 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

async function localMachineId(): Promise<string | undefined> {
  const bytes = await readLocalFile('/etc/machine-id');
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8').trim();
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function ownVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function writeStderr(text: string): void {
  process.stderr.write(text);
}

// A reader that went away (`fleetctl list-units | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.exitCode = await main(process.argv.slice(2));
