// `loop`: whether a leader that takes in and places 1,000,000 units ever holds up its host's event loop, and keeps its leadership.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeOptions } from '../../agent/node-options.ts';
import { openTermThread } from '../../agent/term-thread.ts';
import { spawnTerm } from '../../agent/threads.ts';
import { runEngine } from '../../src/engine/engine.ts';
import { TERM_THREAD_UNITS } from '../../src/model/limits.ts';
import { encode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import type { Kv, LeaseId, Operation } from '../../src/store/kv.ts';
import { machineId, machineRecord, unitRecord } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import type { Bench, Benchmark, Findings } from './figures.ts';

const UNITS = 1_000_000;
const MACHINES = 10_000;
const TIMEOUT_MS = 900_000;
const QUOTA_BYTES = 8 * 2 ** 30;
/** transactions under way at once while records are written */
const WRITERS = 32;
const OPERATIONS_PER_TXN = 100;
const LOOK_MS = 5;
const never = new AbortController().signal;
const keys = keysUnder('/loop/');

export const loop: Benchmark = {
  name: 'loop',
  about:
    'A new leader lists 1,000,000 units and 10,000 machines from a real etcd and places them all, in the thread that a large cluster has for that: the longest time for which the event loop of its host did nothing else, by `monitorEventLoopDelay`, and how often leadership changed.',
  run: runLoop,
};

/** In a process of its own, which is called as fleetd is. */
async function runLoop({ say }: Bench): Promise<Findings> {
  const options = ['--expose-gc', '--max-old-space-size=12288', ...nodeOptions];
  const program = new URL('loop-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [...options, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const answer = await text(child.stdout);
  const [status] = (await exited) as [number | null];
  if (status !== 0) throw new Error(`loop-process.ts ended with status ${status}`);
  say('loop: measured');
  return JSON.parse(answer) as Findings;
}

/** What that process does. */
export async function measureLoop(): Promise<Findings> {
  await using etcd = await startEtcd({ flags: [`--quota-backend-bytes=${QUOTA_BYTES}`] });
  await using store = await openStore(etcd.endpoints, { requestTimeoutMs: 30_000 });
  await fill(store);
  globalThis.gc?.();
  const delays = monitorEventLoopDelay({ resolution: LOOK_MS });
  const end = new AbortController();
  let placed = 0;
  let terms = 0;
  const note = (fields: object, message: string): void => {
    if (message === 'engine action') placed += 1;
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
    log: { ...silentLog, info: note },
    intervalMs: 2_000,
    evidence,
  };
  // As fleetd has it: who leads is seen to here, and where heartbeats and requests are; the term has a thread of its own.
  const thread = openTermThread({
    ...common,
    spawn: spawnTerm,
    store: { endpoints: etcd.endpoints, requestTimeoutMs: 30_000 },
    keyPrefix: keys.prefix,
    seenRevisions: () => [],
    fromUnits: TERM_THREAD_UNITS,
  });
  const engine = runEngine({ ...common, kv: store, keys, random: () => 0, thread }, end.signal);
  engine.catch(() => undefined);
  try {
    await eventually(() => placed >= UNITS, { timeoutMs: TIMEOUT_MS, everyMs: 100 });
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
    figures: [
      {
        what: 'the event loop was held up at most',
        unit: 'ms',
        values: [ms(delays.max)],
        goal: { atMost: 50 },
      },
      {
        what: 'the same as CPU time of its thread, whatever else the machine did',
        unit: 'ms',
        values: [stretchMs],
        goal: { atMost: 50 },
      },
      {
        what: 'of this, one pause of the garbage collector at most',
        unit: 'ms',
        values: [pauseMs],
      },
      { what: 'in 99.9 of 100 looks, at most', unit: 'ms', values: [ms(delays.percentile(99.9))] },
      { what: 'terms of leadership', unit: '', values: [terms], goal: { atMost: 1 } },
      { what: 'all listed, decided and written', unit: 's', values: [seconds] },
      { what: 'units a second', unit: '/s', values: [UNITS / seconds] },
    ],
  };
}

/** ms of CPU that this thread spent at most between two looks at it, which a free event loop allows every few ms; until aborted. */
async function longestStretch(signal: AbortSignal): Promise<number> {
  const spentMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let last = spentMs();
  while (!signal.aborted) {
    await delay(LOOK_MS);
    const now = spentMs();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

async function fill(kv: Kv): Promise<void> {
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
