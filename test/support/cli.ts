// A small fleet in this process: the real API and engine over a store in memory, hosts that do as a script says; and fleetctl.
// Invariant: hosts write only what an agent would: state rows, and the end of their schedule keys.
import { spawn } from 'node:child_process';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { fleetctl } from '../../cli/fleetctl.ts';
import type { Io } from '../../cli/context.ts';
import { runEngine } from '../../src/engine/engine.ts';
import type { Log } from '../../src/runtime/log.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { localFiles } from '../../cli/local-file.ts';
import type { MachineId, Metadata } from '../../src/model/machine.ts';
import type { UnitState } from '../../src/model/unit-state.ts';
import type { Assignment, GlobalUnit, UnitName } from '../../src/model/unit.ts';
import { decode, encode } from '../../src/registry/codec.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import { ApiFixture, machineId } from './api.ts';

/** How a call of fleetctl ended. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A call under way: what it has printed so far. */
export interface Running {
  readonly printed: { stdout: string; stderr: string };
  readonly ended: Promise<Outcome>;
  interrupt(): void;
}

/** What becomes of a unit on a host. `hangs`: its job never ends; `refused`: the host does not load it; `stays`: it does not stop. */
export type Fate = 'done' | 'failed' | 'hangs' | 'refused' | 'stays';

const silent: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silent,
  setVerbose: () => undefined,
  write: () => undefined,
};

export class Fleet {
  readonly store = new MemoryStore({ clock: systemClock });
  readonly api = new ApiFixture(this.store);
  /** By name; `done` for what is not in here. */
  readonly fates = new Map<string, Fate>();
  /** What hosts did, in order: `start a.service`. */
  readonly deeds: string[] = [];
  readonly spawned: { command: readonly string[]; env: Io['env'] }[] = [];
  readonly #stop = new AbortController();
  readonly #tasks: Promise<unknown>[] = [];

  async start(options: Parameters<ApiFixture['start']>[0] = {}): Promise<this> {
    await this.api.start(options);
    return this;
  }

  /** An engine that decides. */
  lead(): this {
    const { store: kv } = this;
    const deps = {
      kv,
      keys: this.api.keys,
      clock: systemClock,
      machine: machineId(1),
      random: () => 0,
      log: silent,
      intervalMs: 2_000,
      evidence: {
        answeredSince: () => systemClock.now(),
        restoredAt: () => -Infinity,
        reachedAt: () => -Infinity,
        ttlSec: 30,
      },
    };
    this.#tasks.push(runEngine(deps, this.#stop.signal).catch(() => undefined));
    return this;
  }

  /** Machine `n`. */
  async host(
    n: number,
    metadata: Metadata = {},
    primaryIp = `10.0.0.${n}`,
    capabilities: Readonly<Record<string, string>> = {},
  ): Promise<MachineId> {
    const id = machineId(n);
    await this.api.machine(id, { primaryIp, hostname: `host${n}`, metadata, capabilities });
    this.#tasks.push(new Host(this, id).run(this.#stop.signal).catch(() => undefined));
    return id;
  }

  /** Runs fleetctl in this process, to its end. */
  async run(...words: string[]): Promise<Outcome> {
    return await this.begin(words).ended;
  }

  /** Runs fleetctl in this process. */
  begin(words: readonly string[], io: Partial<Io> = {}): Running {
    const printed = { stdout: '', stderr: '' };
    const interrupt = new AbortController();
    const ended = fleetctl(words, {
      env: { FLEETCTL_ENDPOINT: `unix://${this.api.path}` },
      version: '2.0.0',
      clock: systemClock,
      signal: interrupt.signal,
      colours: { stdout: false, stderr: false },
      random: () => 0,
      start: () => {
        throw new Error('nothing is to be started');
      },
      stdinIsTerminal: true,
      streams: { stdin: Readable.from([]), openStdout: () => new PassThrough() },
      stdout: (text) => void (printed.stdout += text),
      stderr: (text) => void (printed.stderr += text),
      files: localFiles,
      spawn: (command, env) => {
        this.spawned.push({ command, env });
        return Promise.resolve(0);
      },
      ...io,
    }).then((status) => ({ status, ...printed }));
    return { printed, ended, interrupt: () => interrupt.abort(new Error('interrupted')) };
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await Promise.all(this.#tasks);
    await this.api.stop();
  }
}

class Host {
  readonly #fleet: Fleet;
  readonly #id: MachineId;
  readonly #rows = new Map<UnitName, UnitState>();

  constructor(fleet: Fleet, id: MachineId) {
    this.#fleet = fleet;
    this.#id = id;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { store, api } = this.#fleet;
    const mine = api.keys.scheduleOf(this.#id);
    const globals = api.keys.global('' as UnitName);
    for await (const batch of store.watch(api.keys.cluster, 1n, signal))
      for (const event of batch.events) {
        if (event.kind !== 'put') continue;
        const { key, value } = event.kv;
        if (key.startsWith(mine)) await this.#obey(decode('assignment', key, value), key);
        else if (key.startsWith(globals)) await this.#obey(decode('global', key, value));
      }
  }

  async #obey(target: Assignment | GlobalUnit, key?: string): Promise<void> {
    const { api, deeds } = this.#fleet;
    const { name } = target;
    const before = this.#rows.get(name);
    const wasActive = before?.activeState === 'active';
    if (target.release) {
      if (wasActive) deeds.push(`stop ${name}`);
      this.#rows.delete(name);
      const rows = [api.keys.state(name, this.#id), api.keys.orphan(this.#id, name)];
      await api.removeAll([...rows, ...(key === undefined ? [] : [key])]);
      return;
    }
    const launch = target.desiredState === 'launched';
    if (wasActive && !launch && this.#fleet.fates.get(name) === 'stays') return;
    if (wasActive && (!launch || before.hash !== target.hash)) deeds.push(`stop ${name}`);
    if (launch && before?.started !== target.generation) deeds.push(`start ${name}`);
    const row = this.#rowOf(target, before);
    this.#rows.set(name, row);
    await api.putRaw(api.keys.state(name, this.#id), encode('state', row));
  }

  #rowOf(target: Assignment | GlobalUnit, before: UnitState | undefined): UnitState {
    const { name, hash, generation, desiredState } = target;
    const fate = this.#fleet.fates.get(name) ?? 'done';
    const base = { name, machine: this.#id, hash, generation, incarnation: 'boot1' };
    const idle = { loadState: 'loaded', activeState: 'inactive', subState: 'dead' };
    if (fate === 'refused') {
      const nothing = { ...idle, loadState: 'not-found' };
      return { ...base, ...nothing, refusal: "systemd has it already, from '/etc'" };
    }
    if (desiredState !== 'launched')
      return { ...base, ...idle, ...(before?.started && { started: before.started }) };
    const started = { ...base, loadState: 'loaded', started: generation };
    if (fate === 'hangs')
      return { ...started, activeState: 'activating', subState: 'start', job: 'running' };
    if (fate === 'failed') {
      const failed = { activeState: 'failed', subState: 'failed' };
      return { ...started, ...failed, job: 'failed', result: 'exit-code' };
    }
    return { ...started, activeState: 'active', subState: 'running', job: 'done' };
  }
}

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

/** Runs fleetctl as a process of its own. Without `input` its standard input is empty. */
export function runProcess(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: string,
): Running {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  const printed = { stdout: '', stderr: '' };
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { PATH, NODE_COMPILE_CACHE, ...env },
    stdio: 'pipe',
  });
  child.stdin.on('error', () => undefined); // it may end without reading all
  child.stdin.end(input);
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (printed.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (printed.stderr += text));
  const ended = new Promise<Outcome>((resolve) => {
    child.once('close', (status) => resolve({ status: status ?? -1, ...printed }));
  });
  return { printed, ended, interrupt: () => void child.kill('SIGINT') };
}
