// One image file on its way to one program of one machine: here without SSH, else through it.
// Invariant: an image counts as loaded only when the program has said so by its exit status.
import type { ReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { V2Machine } from '../src/api/types.ts';
import type { Child, Context } from './context.ts';
import type { LargeFile } from './local-file.ts';
import { shellText } from './remote.ts';
import { startOnMachine, type SystemdHere } from './where.ts';

/** The runtimes that take an image from their standard input. */
export const LOADING_RUNTIMES = ['podman', 'docker'] as const;
export type LoadingRuntime = (typeof LOADING_RUNTIMES)[number];

/** What is to be loaded where. */
export interface ImageLoad {
  readonly machine: V2Machine;
  readonly runtime: LoadingRuntime;
  readonly port: number | undefined;
}

/** The names under which it was loaded, or why it was not. */
export type LoadEnd = Readonly<{ images: readonly string[] } | { failure: string }>;

/** Lets one in at a time: of two that ask a person whether a host's key is right, nobody knows which is asked. */
export type Door = <T>(enter: () => Promise<T>) => Promise<T>;

/** A door for all loads of one call. */
export function oneAtATime(): Door {
  let last: Promise<unknown> = Promise.resolve();
  return async (enter) => {
    const mine = last.then(enter);
    last = mine.catch(() => undefined);
    return await mine;
  };
}

/** Sends the file; `sending` is told of the stream, that it may count. */
export async function sendImage(
  context: Context,
  load: ImageLoad,
  { image, door, sending }: { image: LargeFile; door: Door; sending: (file: ReadStream) => void },
): Promise<LoadEnd> {
  const started: Child[] = [];
  const end = (): void => started.forEach((child) => child.kill());
  context.signal.addEventListener('abort', end, { once: true });
  try {
    const { child, output } = await door(async () => {
      context.signal.throwIfAborted();
      const one = await begin(context, load);
      started.push(one);
      return { child: one, output: await ready(one) };
    });
    const file = image.open();
    sending(file);
    const unread = await send(file, child);
    const status = await child.ended;
    context.signal.throwIfAborted();
    if (unread !== undefined) return { failure: `the file cannot be read: ${unread.message}` };
    if (status !== 0) return { failure: failureOf(child.said(), load, status) };
    return { images: imagesIn(output()) };
  } finally {
    context.signal.removeEventListener('abort', end);
  }
}

async function begin(context: Context, { machine, runtime, port }: ImageLoad): Promise<Child> {
  const commandFor = (user: 'root' | 'self'): readonly string[] => [
    'sh',
    '-c',
    LOAD,
    'fleetctl',
    runtime,
    user,
  ];
  return await startOnMachine(context, machine.id, {
    here: ({ systemd }: SystemdHere) => commandFor(systemd === 'user' ? 'self' : 'root'),
    there: { port, command: `exec ${shellText(commandFor('root'))}`, words: ALIVE },
  });
}

const READY = 'fleetctl: ready';

/** The images of units are root's, but for those of a user's systemd. Programs are where fleetd looks for them. */
const LOAD = [
  'PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin',
  'program=$(command -v "$1") || { echo "there is no $1" >&2; exit 127; }',
  `echo '${READY}'`,
  'if [ "$2" = self ] || [ "$(id -u)" = 0 ]; then exec "$program" load; fi',
  'exec sudo -n "$program" load',
].join('\n');

/** A machine that vanishes while it is sent to is noticed within 15 s. */
const ALIVE = ['-o', 'ServerAliveInterval=5', '-o', 'ServerAliveCountMax=3'];

/** Waits for the word with which the far side is ready, or its end. Answers what it has said since. */
async function ready({ stdout, ended }: Child): Promise<() => string> {
  let text = '';
  const said = new Promise<void>((resolve) => {
    stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      if (text.includes(`${READY}\n`)) resolve();
    });
  });
  await Promise.race([said, ended]);
  return () => text.slice(text.indexOf(`${READY}\n`) + READY.length + 1);
}

/** Answers why the file could not be read to its end; that the far side wants no more is for its status to say. */
async function send(file: ReadStream, child: Child): Promise<Error | undefined> {
  let failure: Error | undefined;
  file.once('error', (error) => {
    // The far side is not to take a part for the whole.
    if ('syscall' in error && (error.syscall === 'open' || error.syscall === 'read')) {
      failure = error;
      child.kill();
    }
  });
  try {
    await pipeline(file, child.stdin);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error; // of the pipe, or of the file
  }
  return failure;
}

/** As `podman load` and `docker load` name them: `Loaded image: NAME`, `Loaded image ID: sha256:…`. */
function imagesIn(output: string): readonly string[] {
  const found = output.matchAll(/^Loaded image(?:\(s\)| ID)?: (.+)$/gm);
  return [...found].flatMap(([, names = '']) => names.split(',').map((name) => name.trim()));
}

/** What the program, or ssh, has said of it, on one line. */
function failureOf(said: string, { machine, runtime }: ImageLoad, status: number): string {
  const lines = said.split('\n').map((line) => line.trim());
  const from = lines.findIndex((line) => /^error/i.test(line));
  const told = from === -1 ? lines.filter((line) => line !== '').slice(-1) : lines.slice(from);
  const words = told.filter((line) => line !== '').join(' ');
  if (status === SSH_FAILED)
    return `SSH: ${words === '' ? 'no connection' : words} Try: fleetctl ssh ${machine.id.slice(0, 8)}`;
  return words === '' ? `${runtime} load ended with status ${status}` : words;
}

/** ssh(1). */
const SSH_FAILED = 255;
