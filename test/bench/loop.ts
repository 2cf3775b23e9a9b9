// `loop`: whether a leader that takes in and places 1,000,000 units ever holds up its host's event loop, and keeps its leadership.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeOptions } from '../../agent/node-options.ts';
import { openTermThread } from '../../agent/term-thread.ts';
import { spawnTerm } from '../../agent/threads.ts';
import { runEngine } from '../../src/engine/engine.ts';
import { TERM_THREAD_UNITS } from '../../src/model/limits.ts';
import { encode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openLog } from '../../src/runtime/log.ts';
import type { LeaseId, Operation } from '../../src/store/kv.ts';
import { machineId, machineRecord, unitRecord } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';

const UNITS = 1_000_000;
const MACHINES = 10_000;
const TIMEOUT_MS = 900_000;
const PLACED = '"engine action"';
const QUOTA_BYTES = 8 * 2 ** 30;
/** transactions under way at once while records are written */
const WRITERS = 32;
const OPERATIONS_PER_TXN = 100;
const LOOK_MS = 5;
/** ms; what is held up for longer is said, with when. */
const SAID_MS = 30;
/**
 * ms between what is written first and what is measured. A virtual machine gives its host the memory that the writers have freed, every 2 s,
 * and stands still for up to 170 ms each time where others take memory meanwhile: a Node that does nothing as long as the leader.
 */
const SETTLE_MS = 60_000;
const never = new AbortController().signal;
const keys = keysUnder('/loop/');

export const loop: Benchmark = {
  name: 'loop',
  about:
    'A new leader lists 1,000,000 units and 10,000 machines from a real etcd and places them all, in the thread that a large cluster has for that: the longest time for which the event loop of its host did nothing else, by `monitorEventLoopDelay`, and how often leadership changed.',
  run: runLoop,
};

/** What one run finds. */
export interface LoopRun {
  /** longest time without a turn of the event loop */
  readonly heldUpMs: number;
  /** the same as CPU time of its thread */
  readonly cpuMs: number;
  /** longest pause of the garbage collector in this thread */
  readonly pauseMs: number;
  /** what 99.9 % of looks at the event loop found at most */
  readonly mostlyMs: number;
  readonly terms: number;
  /** until all is listed, decided and written */
  readonly seconds: number;
}

/** Each run in a process of its own, which is called as fleetd is, with a log that is read as the journal's. */
async function runLoop({ runs, say }: Bench): Promise<Findings> {
  const found: LoopRun[] = [];
  const bare: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const { leader, bareMs } = await runProcess();
    found.push(leader);
    bare.push(bareMs);
    say(
      `loop: run ${run + 1}, held up ${leader.heldUpMs.toFixed(1)} ms, Node alone ${bareMs.toFixed(1)} ms`,
    );
  }
  const of = (what: string, unit: string, pick: (run: LoopRun) => number): Figure => ({
    what,
    unit,
    values: found.map(pick),
  });
  return {
    figures: [
      {
        ...of('the event loop was held up at most', 'ms', (run) => run.heldUpMs),
        against: { what: 'that of a Node beside it that does nothing', values: bare },
        goal: { neverOver: 50 },
      },
      {
        ...of(
          'the same as CPU time of its thread, whatever else the machine did',
          'ms',
          (run) => run.cpuMs,
        ),
        goal: { neverOver: 50 },
      },
      of('of this, one pause of the garbage collector at most', 'ms', (run) => run.pauseMs),
      of('in 99.9 of 100 looks, at most', 'ms', (run) => run.mostlyMs),
      { ...of('terms of leadership', '', (run) => run.terms), goal: { neverOver: 1 } },
      of('all listed, decided and written', 's', (run) => run.seconds),
      of('units a second', '/s', (run) => UNITS / run.seconds),
    ],
  };
}

/** The records are written here: what that leaves on a heap is not the leader's. */
async function runProcess(): Promise<{ readonly leader: LoopRun; readonly bareMs: number }> {
  await using etcd = await startEtcd({ flags: [`--quota-backend-bytes=${QUOTA_BYTES}`] });
  await fill(etcd.endpoints);
  await delay(SETTLE_MS);
  const options = ['--max-old-space-size=12288', ...nodeOptions];
  await using bare = start([], new URL('bare-loop-process.ts', import.meta.url), [String(LOOK_MS)]);
  await using engine = start(options, new URL('loop-process.ts', import.meta.url), etcd.endpoints);
  await Promise.race([logged(engine.child.stdout!, PLACED, UNITS), engine.said(), late()]);
  engine.child.send('placed');
  const leader = (await engine.said()) as LoopRun;
  bare.child.send('measured');
  return { leader, bareMs: (await bare.said()) as number };
}

async function late(): Promise<never> {
  await delay(TIMEOUT_MS, undefined, { ref: false });
  throw new Error(`not placed within ${TIMEOUT_MS / 1_000} s`);
}

/** Ends when the log has `word` so often; it is read on. */
function logged(log: Readable, word: string, times: number): Promise<void> {
  let left = times;
  let tail = '';
  return new Promise((resolve) => {
    log.setEncoding('latin1').on('data', (text: string) => {
      const parts = (tail + text).split(word);
      left -= parts.length - 1;
      tail = parts.at(-1)!.slice(-word.length + 1);
      if (left <= 0) resolve();
    });
  });
}

/** A process of Node that says one thing and ends. */
interface Speaker extends AsyncDisposable {
  readonly child: ChildProcess;
  said(): Promise<unknown>;
}

function start(options: readonly string[], program: URL, args: readonly string[]): Speaker {
  const child = spawn(process.execPath, [...options, program.pathname, ...args], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  child.stdout?.resume(); // the log
  const exited = once(child, 'exit');
  const message = once(child, 'message');
  return {
    child,
    said: async () => {
      const said = await Promise.race([message, exited.then(() => undefined)]);
      if (said === undefined)
        throw new Error(
          `${program.pathname} ended with ${child.signalCode ?? `status ${child.exitCode}`}`,
        );
      return said[0] as unknown;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.connected) child.kill();
      await exited;
    },
  };
}

/** What that process does, over an etcd that holds all, until it hears that all is `placed`. */
export async function measureLoop(
  endpoints: readonly string[],
  placed: Promise<unknown>,
): Promise<LoopRun> {
  await using store = await openStore(endpoints, { requestTimeoutMs: 30_000 });
  const delays = monitorEventLoopDelay({ resolution: LOOK_MS });
  const end = new AbortController();
  let terms = 0;
  const log = openLog(false);
  const info = (fields: object, message: string): void => {
    log.info(fields, message);
    if (message === 'leader elected') terms += 1;
  };
  let pauseMs = 0;
  const pauses = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauseMs = Math.max(pauseMs, duration);
  });
  pauses.observe({ entryTypes: ['gc'] });
  delays.enable();
  const stretch = longestStretch(end.signal);
  const began = performance.now();
  const evidence = {
    restoredAt: () => -Infinity,
    reachedAt: () => -Infinity,
    answeredSince: () => -Infinity,
    ttlSec: 30,
  };
  const common = {
    clock: systemClock,
    machine: machineId('m1'),
    log: { ...log, info },
    intervalMs: 2_000,
    evidence,
  };
  // As fleetd has it: who leads is seen to here, and where heartbeats and requests are; the term has a thread of its own.
  const thread = openTermThread({
    ...common,
    spawn: spawnTerm,
    store: { endpoints, requestTimeoutMs: 30_000 },
    keyPrefix: keys.prefix,
    isVerbose: () => false,
    seenRevisions: () => [],
    fromUnits: TERM_THREAD_UNITS,
  });
  const engine = runEngine({ ...common, kv: store, keys, random: () => 0, thread }, end.signal);
  engine.catch(() => undefined);
  try {
    await placed;
  } finally {
    end.abort(new Error('measured'));
    await Promise.allSettled([engine]);
  }
  const seconds = (performance.now() - began) / 1000;
  const stretchMs = await stretch;
  delays.disable();
  pauses.disconnect();
  const ms = (ns: number): number => ns / 1e6;
  return {
    heldUpMs: ms(delays.max),
    cpuMs: stretchMs,
    pauseMs,
    mostlyMs: ms(delays.percentile(99.9)),
    terms,
    seconds,
  };
}

/** ms of CPU that this thread spent at most between two looks at it, which a free event loop allows every few ms; until aborted. */
async function longestStretch(signal: AbortSignal): Promise<number> {
  const spentMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  const began = performance.now();
  let longest = 0;
  let last = { atMs: began, cpuMs: spentMs() };
  while (!signal.aborted) {
    await delay(LOOK_MS);
    const now = { atMs: performance.now(), cpuMs: spentMs() };
    const [tookMs, cpuMs] = [now.atMs - last.atMs, now.cpuMs - last.cpuMs];
    longest = Math.max(longest, cpuMs);
    if (tookMs > SAID_MS)
      process.stderr.write(
        `loop: held up ${tookMs.toFixed(1)} ms, ${cpuMs.toFixed(1)} ms of CPU, ${(now.atMs - began).toFixed(0)} ms after the start\n`,
      );
    last = now;
  }
  return longest;
}

async function fill(endpoints: readonly string[]): Promise<void> {
  await using kv = await openStore(endpoints, { requestTimeoutMs: 30_000 });
  const lease = await kv.grantLease(36_000, never);
  const total = MACHINES + UNITS;
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < total) {
      const first = next;
      next = Math.min(total, next + OPERATIONS_PER_TXN);
      const then = Array.from({ length: next - first }, (_, n) => recordOf(first + n, lease));
      await kv.txn({ then }, never);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

function recordOf(n: number, lease: LeaseId): Operation {
  if (n >= MACHINES) {
    const record = unitRecord(`u${n - MACHINES}.service`);
    return { kind: 'put', key: keys.unit(record.name), value: encode('unit', record) };
  }
  const record = machineRecord(`m${n + 1}`);
  return { kind: 'put', key: keys.machine(record.id), value: encode('machine', record), lease };
}
