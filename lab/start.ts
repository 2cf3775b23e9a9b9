// `npm start`: fleet on this one machine, with an example unit, until Ctrl-C; what it needs it installs and says so.
// Invariant: however it ends, nothing that it started runs on; what was submitted is kept in the state directory.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeOptions } from '../agent/node-options.ts';
import { aborted } from '../src/runtime/abort.ts';
import { http } from '../src/runtime/http.ts';
import {
  chooseManager,
  installMissing,
  openManager,
  surroundings,
  type Manager,
} from './manager.ts';
import { projectDir, run } from './script.ts';

const example = 'units/examples/hello.service';
const readyMs = 30_000;

async function main(signal: AbortSignal): Promise<number> {
  const around = surroundings();
  const kind = chooseManager(around);
  if (typeof kind === 'object') return fail(kind.none);
  const state = stateDirectory(around.uid);
  for (const socket of socketsOf(around.userRuntimeDir))
    if (await answers(socket)) return alreadyRuns(socket, kind);
  const first = await firstRun(state);
  if (first !== undefined) return alreadyStarts(first);

  if (kind === 'private') {
    const why = await installMissing(say);
    if (why !== undefined) return fail(why);
  }
  await mkdir(state, { recursive: true, mode: 0o700 });
  await writeFile(pidFile(state), String(process.pid));

  let manager: Manager | undefined;
  let fleetd: ChildProcess | undefined;
  try {
    manager = await openManager(kind, around, path.join(state, 'systemd'));
    say(managerLine(manager));
    if (signal.aborted) return 130;
    fleetd = startFleetd(manager, state);
    const why = await ready(fleetd, manager.socket, signal);
    if (signal.aborted) return 130;
    if (why !== undefined) return fail(`${why}\n${await tail(logFile(state))}`);
    say(`fleetd:  up, answering on ${manager.socket}; log in ${logFile(state)}`);
    say(`state:   ${state}, kept from run to run (remove it to begin anew)`);
    const status = await show(manager, signal);
    if (signal.aborted) return 130;
    if (status !== 0) return fail(await tail(logFile(state)));
    return await stayUp(manager, fleetd, state, signal);
  } finally {
    if (fleetd !== undefined) await stopFleetd(fleetd);
    // After a crash it says which units still run: the next run's fleetd takes them on.
    if (fleetd?.exitCode === 0 && manager !== undefined)
      await rm(manager.runtimeDirectory, { recursive: true, force: true });
    await manager?.stop();
    await writeFile(pidFile(state), '');
  }
}

/** fleetd as a child that outlives neither this process nor, by a stray Ctrl-C, its turn. */
function startFleetd(manager: Manager, state: string): ChildProcess {
  const log = openSync(logFile(state), 'w', 0o600);
  const main = path.join(projectDir, 'agent/main.ts');
  // Neither a configuration of this machine's own fleetd nor a service manager above this terminal is meant for it.
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(FLEET_|LISTEN_|NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|WATCHDOG_)/.test(name),
  );
  const env = { ...Object.fromEntries(inherited), FLEET_STATE_DIRECTORY: state, ...manager.env };
  const config = path.join(projectDir, 'units/fleet.conf');
  const node = [process.execPath, ...nodeOptions, main, '--standalone', '--config', config];
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...node], {
    cwd: '/',
    detached: true,
    env,
    stdio: ['ignore', log, log, ...(manager.lifeline === undefined ? [] : [manager.lifeline])],
  });
  closeSync(log);
  return child;
}

/** Waits until the machine is listed; answers why it never was. */
async function ready(
  fleetd: ChildProcess,
  socket: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = performance.now() + readyMs;
  while (!signal.aborted && performance.now() < deadline) {
    if (hasEnded(fleetd)) return 'fleetd ended at once';
    const page = await get(socket, '/fleet/v1/machines');
    if (page?.includes('"id"') === true) return undefined;
    await delay(50);
  }
  return `fleetd is not ready after ${readyMs / 1000} s`;
}

/** Starts the example and shows it, in the words that a person would type. */
async function show(manager: Manager, signal: AbortSignal): Promise<number> {
  const commands = [['start', example], ['list-machines'], ['list-units']];
  for (const args of commands) {
    if (signal.aborted) return 130;
    say(`\n$ npx fleetctl ${args.join(' ')}`);
    const main = path.join(projectDir, 'cli/main.ts');
    const endpoint = `unix://${manager.socket}`;
    const ended = await run(process.execPath, [main, '--endpoint', endpoint, ...args], { signal });
    process.stdout.write(ended.stdout + ended.stderr);
    if (ended.status !== 0) return ended.status;
  }
  // fleetctl and systemctl find a user's sockets by it; su and the like do not set it.
  const user = manager.env['XDG_RUNTIME_DIR'];
  const isToldApart = manager.kind === 'user' && process.env['XDG_RUNTIME_DIR'] !== user;
  say(`
Next, in another terminal, in this directory:${isToldApart ? `\n  export XDG_RUNTIME_DIR=${user}` : ''}
  npx fleetctl list-units
  npx fleetctl cat hello.service
  npx fleetctl submit 'units/examples/hello@.service' && npx fleetctl start hello@1 hello@2
  npx fleetctl stop hello.service
  ${manager.journal('hello.service')}
  ${manager.systemctl} status hello.service

Ctrl-C here ends fleetd and the units that it runs.`);
  return 0;
}

async function stayUp(
  manager: Manager,
  fleetd: ChildProcess,
  state: string,
  signal: AbortSignal,
): Promise<number> {
  const ended = new Promise<void>((resolve) => {
    if (hasEnded(fleetd)) resolve();
    else fleetd.once('exit', () => resolve());
  });
  const managerEnded = manager.ended.then(() => {
    fleetd.kill('SIGKILL'); // its units are gone, and nobody is there who could tell it so
  });
  await Promise.race([aborted(signal), ended, managerEnded]);
  if (!signal.aborted) {
    const runsOn =
      manager.kind === 'private' ? '' : '; its units run on, the next npm start has them again';
    return fail(`fleetd or its systemd ended${runsOn}\n${await tail(logFile(state))}`);
  }
  say('\nStopping the units of this machine, and fleetd.');
  return 0;
}

/** In the foreground fleetd leaves on SIGTERM: its units are stopped first, for as long as they ask for. */
async function stopFleetd(fleetd: ChildProcess): Promise<void> {
  if (hasEnded(fleetd)) return;
  const ended = new Promise<void>((resolve) => fleetd.once('exit', () => resolve()));
  fleetd.kill('SIGTERM');
  await ended;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function alreadyRuns(socket: string, kind: Manager['kind']): number {
  say(`fleetd runs here already, and answers on ${socket}${kind === 'user' ? '' : ' (as root)'}.`);
  say('Try:  npx fleetctl list-machines; npx fleetctl list-units');
  return 0;
}

function alreadyStarts(pid: number): number {
  say(`npm start runs here already, as process ${pid}, and is just starting or stopping.`);
  return 0;
}

/** The process of another `npm start` on the same state, where one lives. */
async function firstRun(state: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(state), 'utf8').catch(absent));
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(absent);
  return command.includes('lab/start.ts') ? pid : undefined;
}

function absent(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return '';
  throw error;
}

/** Sockets that fleetctl tries by itself. */
function socketsOf(userRuntimeDir: string | undefined): string[] {
  return [
    '/run/fleet.sock',
    ...(userRuntimeDir === undefined ? [] : [path.join(userRuntimeDir, 'fleet.sock')]),
  ];
}

async function answers(socket: string): Promise<boolean> {
  return (await get(socket, '/fleet/v1/machines')) !== undefined;
}

/** The body, whatever the status; undefined where nobody listens. */
function get(socketPath: string, url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const request = http.get({ socketPath, path: url, timeout: 2000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(body));
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', () => resolve(undefined));
  });
}

/** Not the directory of an installed fleetd: trying it out must not touch that. */
function stateDirectory(uid: number): string {
  if (uid === 0) return '/var/lib/fleet-standalone';
  const base = process.env['XDG_STATE_HOME'] ?? path.join(homedir(), '.local/state');
  return path.join(base, 'fleet-standalone');
}

function managerLine(manager: Manager): string {
  switch (manager.kind) {
    case 'system':
      return "systemd: this machine's";
    case 'user':
      return 'systemd: yours (units run as you, and end when you log out, unless you linger)';
    case 'private':
      return 'systemd: a private one in namespaces, as none runs on this machine; it ends with this command';
  }
}

function logFile(state: string): string {
  return path.join(state, 'fleetd.log');
}

function pidFile(state: string): string {
  return path.join(state, 'npm-start.pid');
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(absent);
  return text.trimEnd().split('\n').slice(-10).join('\n');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(why: string): number {
  process.stderr.write(`npm start: ${why}\n`);
  return 1;
}

// The terminal may be gone before this is (SIGHUP): what cannot be said any more must not keep it from ending in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
const stop = new AbortController();
let stoppedAt = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    // npm passes a Ctrl-C on that the terminal has sent here already: only a later one means "at once".
    if (stop.signal.aborted && performance.now() - stoppedAt > 1000) process.exit(130);
    if (!stop.signal.aborted) stoppedAt = performance.now();
    stop.abort(new Error(name));
  });
try {
  process.exitCode = await main(stop.signal);
} catch (error) {
  if (stop.signal.aborted) process.exitCode = 130;
  else process.exitCode = fail(error instanceof Error ? error.message : String(error));
}
