// `loop`: whether an engine that takes in and places 1,000,000 units ever holds the event loop up, and keeps its leadership.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { runEngine } from '../../src/engine/engine.ts';
import { encode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import type { Kv, Operation } from '../../src/store/kv.ts';
import { machineId, machineRecord, unitRecord } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import type { Bench, Benchmark, Findings } from './figures.ts';

const UNITS = 1_000_000;
const MACHINES = 10_000;
const TIMEOUT_MS = 600_000;
const never = new AbortController().signal;
const keys = keysUnder('/loop/');

export const loop: Benchmark = {
  name: 'loop',
  about:
    'A new leader lists 1,000,000 units and 10,000 machines from a store in the same process and places them all: the longest time for which nothing else ran, by `monitorEventLoopDelay`, and how often leadership changed.',
  run: runLoop,
};

async function runLoop({ say }: Bench): Promise<Findings> {
  const store = new MemoryStore({ clock: systemClock });
  await fill(store);
  say('loop: records written');
  globalThis.gc?.();
  const delays = monitorEventLoopDelay({ resolution: 5 });
  const end = new AbortController();
  let placed = 0;
  let terms = 0;
  const note = (fields: object, message: string): void => {
    if (message === 'engine action') placed += 1;
    if (message === 'leader elected') terms += 1;
  };
  delays.enable();
  const stretch = longestStretch(end.signal);
  const began = performance.now();
  const engine = runEngine(
    {
      kv: store,
      keys,
      clock: systemClock,
      machine: machineId('m1'),
      random: () => 0,
      log: { ...silentLog, info: note },
      intervalMs: 2_000,
      evidence: { restoredAt: () => -Infinity, answeredSince: () => -Infinity, ttlSec: 30 },
    },
    end.signal,
  );
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
  await store.close();
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
      { what: 'in 99.9 of 100 looks, at most', unit: 'ms', values: [ms(delays.percentile(99.9))] },
      { what: 'terms of leadership', unit: '', values: [terms], goal: { atMost: 1 } },
      { what: 'all listed, decided and written', unit: 's', values: [seconds] },
      { what: 'units a second', unit: '/s', values: [UNITS / seconds] },
    ],
  };
}

/** ms of CPU that this thread spent at most between two turns of the event loop, until aborted. */
async function longestStretch(signal: AbortSignal): Promise<number> {
  const spentMs = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let last = spentMs();
  while (!signal.aborted) {
    await turn();
    const now = spentMs();
    longest = Math.max(longest, now - last);
    last = now;
  }
  return longest;
}

async function fill(kv: Kv): Promise<void> {
  let then: Operation[] = [];
  const flush = async (): Promise<void> => {
    await kv.txn({ then }, never);
    then = [];
  };
  const lease = await kv.grantLease(36_000, never);
  for (let i = 1; i <= MACHINES; i += 1) {
    const record = machineRecord(`m${i}`);
    then.push({
      kind: 'put',
      key: keys.machine(record.id),
      value: encode('machine', record),
      lease,
    });
    if (then.length === 100) await flush();
  }
  for (let i = 0; i < UNITS; i += 1) {
    const record = unitRecord(`u${i}.service`);
    then.push({ kind: 'put', key: keys.unit(record.name), value: encode('unit', record) });
    if (then.length === 100) await flush();
  }
  if (then.length > 0) await flush();
}
