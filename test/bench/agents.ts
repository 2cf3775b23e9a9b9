// `agents`: very many hosts with the real agent, a systemd and a disk in memory, over one real etcd.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { UNIT_REQUESTS_MAX } from '../../src/model/limits.ts';
import { putUnit } from '../../src/registry/units.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { decode } from '../../src/registry/codec.ts';
import type { Kv } from '../../src/store/kv.ts';
import { hashOfOptions, sha256Of } from '../../src/unitfile/hash.ts';
import { optionsOf, storedOptionsOf } from '../../src/unitfile/format.ts';
import { parseUnitFile, type UnitFile } from '../../src/unitfile/parse.ts';
import { unitName } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { ratesBetween, readEtcd } from './etcd-metrics.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { TRIVIAL } from './lab.ts';

export const AGENTS_PREFIX = '/agents/';
const keys = keysUnder(AGENTS_PREFIX);
const never = new AbortController().signal;
/** requests under way at once, as fleetctl has them, each of so many units */
const REQUESTS = 2;
const SUBMITTERS = REQUESTS * UNIT_REQUESTS_MAX;
/** hosts that begin at once */
const STARTERS = 50;
/** One heap of more would be busy collecting garbage. */
const AGENTS_OF_PROCESS = 500;
const IDLE_MS = 10_000;

interface Size {
  readonly agents: number;
  readonly units: number;
  /** agents that share a connection, and with it a watch stream; one without it */
  readonly sharing?: number;
  /** seconds until all is reported */
  readonly atMost?: number;
}

/** The hosts of one process. */
export interface Share {
  readonly endpoints: readonly string[];
  /** number of the first host */
  readonly first: number;
  readonly count: number;
  readonly sharing: number;
  /** hosts that begin at once */
  readonly starters: number;
  /** Its hosts have an engine. */
  readonly leads: boolean;
}

export interface ShareReady {
  /** memory that the hosts take, beyond what the process took before */
  readonly bytes: number;
}

const SIZES: readonly Size[] = [
  { agents: 100, units: 1_000, atMost: 3 },
  { agents: 100, units: 10_000 },
  { agents: 1_000, units: 10_000 },
  // Two cores do not answer the pings of 10,000 connections, every 5 s each, beside all that the agents do.
  { agents: 10_000, units: 0, sharing: 10 },
];

export const agents: Benchmark = {
  name: 'agents',
  about:
    'So many agents, up to 500 in a process (presence, mirrors, plan and reports as in fleetd; systemd and disk in memory), each with a connection of its own (of 10,000: ten share one) to one real etcd with fsync; one of them, in a process of its own, leads with the engine: from the first request of a unit until the last is reported active. Units are submitted as the API does it for fleetctl, 64 to a request. All share two cores.',
  run: runAgents,
};

async function runAgents({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const found: Found[] = [];
    for (let run = 0; run < runs; run += 1) {
      found.push(await measure(size));
      say(`agents: ${size.agents} agents, ${size.units} units, run ${run + 1}`);
    }
    figures.push(...figuresOf(size, found));
  }
  return { figures };
}

interface Found {
  readonly connectedSec: number;
  readonly reportedSec: number;
  readonly requestsPerUnit: number;
  readonly etcdCpuSec: number;
  readonly idleRequestsPerSec: number;
  readonly idleEtcdPercent: number;
  readonly etcdMB: number;
  readonly agentKB: number;
}

function figuresOf(
  { agents: count, units, atMost }: Size,
  found: readonly Found[],
): readonly Figure[] {
  const hosts = `${count.toLocaleString('en')} agents`;
  const words = units === 0 ? hosts : `${hosts}, ${units.toLocaleString('en')} units`;
  const of = (what: string, unit: string, pick: (one: Found) => number): Figure => ({
    what: `${words}: ${what}`,
    unit,
    values: found.map(pick),
  });
  const all: Figure[] = [];
  if (units > 0) {
    const done = of('all placed and reported', 's', (one) => one.reportedSec);
    all.push(atMost === undefined ? done : { ...done, goal: { atMost } });
    all.push({
      ...of('placed and reported a second', '/s', (one) => units / one.reportedSec),
      goal: { atLeast: 5_000 },
    });
    all.push(of('requests at etcd for each unit', '', (one) => one.requestsPerUnit));
    all.push(of('CPU of etcd meanwhile', 's', (one) => one.etcdCpuSec));
  }
  all.push(of('all connected', 's', (one) => one.connectedSec));
  all.push(of('idle, requests at etcd for each agent', '/s', (one) => one.idleRequestsPerSec));
  all.push(of('idle, CPU of etcd', '%', (one) => one.idleEtcdPercent));
  all.push(of('memory of etcd', 'MB', (one) => one.etcdMB));
  all.push(of('memory of one agent', 'kB', (one) => one.agentKB));
  return all;
}

async function measure({ agents: count, units, sharing = 1 }: Size): Promise<Found> {
  await using etcd = await startEtcd();
  await using kv = await openStore(etcd.endpoints, { requestTimeoutMs: 5_000 });
  const [endpoint = ''] = etcd.endpoints;
  const beganMs = performance.now();
  await using hosts = await startHosts(etcd.endpoints, { count, sharing });
  const connectedSec = (performance.now() - beganMs) / 1000;
  await delay(1_000); // the mirrors of the last
  const atStart = await readEtcd(endpoint);
  const reportedSec = units === 0 ? 0 : await startUnits(kv.grouped(), units);
  const atEnd = await readEtcd(endpoint);
  await delay(3_000);
  const idleFrom = await readEtcd(endpoint);
  await delay(IDLE_MS);
  const idleTo = await readEtcd(endpoint);
  const total = (rates: Readonly<Record<string, number>>): number =>
    Object.values(rates).reduce((sum, rate) => sum + rate, 0);
  return {
    connectedSec,
    reportedSec,
    requestsPerUnit: total(ratesBetween(atStart, atEnd, Math.max(1, units))),
    etcdCpuSec: atEnd.cpuSeconds - atStart.cpuSeconds,
    idleRequestsPerSec: total(ratesBetween(idleFrom, idleTo, IDLE_MS / 1000)) / count,
    idleEtcdPercent: ((idleTo.cpuSeconds - idleFrom.cpuSeconds) / (IDLE_MS / 1000)) * 100,
    etcdMB: idleTo.residentMB,
    agentKB: hosts.bytes / 1000 / count,
  };
}

/** All hosts, the leader's in a process of its own; `bytes` is what they take beyond what an empty process does. */
async function startHosts(
  endpoints: readonly string[],
  { count, sharing }: { count: number; sharing: number },
): Promise<AsyncDisposable & Readonly<{ bytes: number }>> {
  const processes = Math.ceil((count - 1) / AGENTS_OF_PROCESS);
  const each = Math.ceil((count - 1) / processes);
  const starters = Math.ceil(STARTERS / processes);
  const shares: Share[] = [{ endpoints, first: 1, count: 1, sharing, starters: 1, leads: true }];
  for (let first = 2; first <= count; first += each)
    shares.push({
      endpoints,
      first,
      count: Math.min(each, count + 1 - first),
      sharing,
      starters,
      leads: false,
    });
  const running = shares.map(startShare);
  const end = async (): Promise<void> => {
    await Promise.all(running.map(({ stop }) => stop()));
  };
  try {
    const ready = await Promise.all(running.map((share) => share.ready));
    const bytes = ready.reduce((sum, share) => sum + share.bytes, 0);
    return { bytes, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

function startShare(share: Share): Readonly<{
  ready: Promise<ShareReady>;
  stop: () => Promise<void>;
}> {
  const program = new URL('agents-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--expose-gc', program, JSON.stringify(share)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const ready = (async () => {
    const [line] = await Promise.race([once(child.stdout, 'data'), exited]);
    if (!Buffer.isBuffer(line)) throw new Error(`a process of hosts ended with ${String(line)}`);
    return JSON.parse(line.toString()) as ShareReady;
  })();
  return {
    ready,
    async stop() {
      child.stdin.end();
      await exited;
    },
  };
}

/** Seconds from the first request until every unit is reported active. */
async function startUnits(kv: Kv, count: number): Promise<number> {
  const { revision } = await kv.range(keys.states, { limit: 1 }, never);
  const end = new AbortController();
  const active = new Set<string>();
  const watching = (async () => {
    for await (const { events } of kv.watch(keys.states, revision + 1n, end.signal))
      for (const event of events) {
        if (event.kind !== 'put') continue;
        const { name, activeState } = decode('state', event.kv.key, event.kv.value);
        if (activeState === 'active') active.add(name);
      }
  })();
  const began = performance.now();
  let next = 0;
  const submitter = async (): Promise<void> => {
    while (next < count) await submit(kv, `u${(next += 1)}.service`);
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  await eventually(() => active.size === count, { timeoutMs: 120_000, everyMs: 5 });
  const seconds = (performance.now() - began) / 1000;
  end.abort(new Error('measured'));
  await watching;
  return seconds;
}

const OPTIONS = optionsOf(parsed(TRIVIAL));
const FILE = {
  text: TRIVIAL,
  hash: hashOfOptions(OPTIONS),
  sha256: sha256Of(TRIVIAL),
  options: storedOptionsOf(OPTIONS),
  description: '',
};

async function submit(kv: Kv, name: string): Promise<void> {
  await putUnit(
    { kv, keys, unreadable: () => undefined },
    { name: unitName(name), requestId: name, file: FILE, desiredState: 'launched' },
    never,
  );
}

function parsed(text: string): UnitFile {
  const { ok } = parseUnitFile(text);
  if (ok === undefined) throw new Error('the unit of the benchmark is malformed');
  return ok;
}
