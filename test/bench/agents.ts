// `agents`: very many hosts with the real agent, a systemd and a disk in memory, over one real etcd.
import { setTimeout as delay } from 'node:timers/promises';
import { putUnit } from '../../src/registry/units.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { decode } from '../../src/registry/codec.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Kv } from '../../src/store/kv.ts';
import { hashOfOptions, sha256Of } from '../../src/unitfile/hash.ts';
import { optionsOf, storedOptionsOf } from '../../src/unitfile/format.ts';
import { parseUnitFile, type UnitFile } from '../../src/unitfile/parse.ts';
import { machineId, unitName } from '../support/cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { startMember, type Member } from '../support/fleet-member.ts';
import { ratesBetween, readEtcd } from './etcd-metrics.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { TRIVIAL } from './lab.ts';

const keys = keysUnder('/agents/');
const never = new AbortController().signal;
/** requests of units under way at once, as fleetctl has them */
const SUBMITTERS = 32;
const TTL_SEC = 60;
/** members that begin at once */
const STARTERS = 50;
const IDLE_MS = 10_000;

interface Size {
  readonly agents: number;
  readonly units: number;
  /** agents that share a connection, and with it a watch stream; one without it */
  readonly sharing?: number;
  /** seconds until all is reported */
  readonly atMost?: number;
  readonly once?: boolean;
}

const SIZES: readonly Size[] = [
  { agents: 100, units: 1_000, atMost: 3 },
  { agents: 1_000, units: 10_000, once: true },
  // One process does not answer the pings of 10,000 connections, every 5 s each, beside all that the agents do.
  { agents: 10_000, units: 0, sharing: 10, once: true },
];

export const agents: Benchmark = {
  name: 'agents',
  about:
    'So many agents in one process (presence, mirrors, plan and reports as in fleetd; systemd and disk in memory), each with a connection of its own (of 10,000: ten share one) to one real etcd with fsync, one of them with the engine: from the first request of a unit until the last is reported active. All share two cores.',
  run: runAgents,
};

async function runAgents({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  for (const size of SIZES) {
    const found: Found[] = [];
    const times = size.once === true ? 1 : runs;
    for (let run = 0; run < times; run += 1) {
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
  const words = `${count.toLocaleString('en')} agents`;
  const of = (what: string, unit: string, pick: (one: Found) => number): Figure => ({
    what: `${words}: ${what}`,
    unit,
    values: found.map(pick),
  });
  const all: Figure[] = [];
  if (units > 0) {
    const done = of(
      `${units.toLocaleString('en')} units placed and reported`,
      's',
      (one) => one.reportedSec,
    );
    all.push(atMost === undefined ? done : { ...done, goal: { atMost } });
    all.push({
      ...of('placed and reported', '/s', (one) => units / one.reportedSec),
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
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const beganMs = performance.now();
  const members = await startMembers(etcd.endpoints, { count, sharing });
  try {
    const connectedSec = (performance.now() - beganMs) / 1000;
    await delay(1_000); // the mirrors of the last
    const agentKB = (process.memoryUsage().rss - before) / 1000 / count;
    const atStart = await readEtcd(endpoint);
    const reportedSec = units === 0 ? 0 : await startUnits(kv, units);
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
      agentKB,
    };
  } finally {
    await Promise.all(members.map(({ member }) => member.kill()));
    await Promise.all(members.map(async ({ kv: own }) => (await own).close()));
  }
}

interface Connected {
  readonly member: Member;
  readonly kv: Promise<Kv>;
}

async function startMembers(
  endpoints: readonly string[],
  { count, sharing }: { count: number; sharing: number },
): Promise<readonly Connected[]> {
  const members: Connected[] = [];
  const stores = Array.from({ length: Math.ceil(count / sharing) }, () =>
    lazily(() => openStore(endpoints, { requestTimeoutMs: 5_000 })),
  );
  let next = 0;
  const starter = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      const i = next;
      const store = stores[i % stores.length]!();
      const kv = await store;
      const member = await startMember({
        kv,
        keys,
        clock: systemClock,
        id: machineId(`m${i}`),
        ttlSec: TTL_SEC,
        ...(i === 1 ? { engine: { kv } } : {}),
      });
      members.push({ member, kv: store });
      await registered(member);
    }
  };
  await Promise.all(Array.from({ length: STARTERS }, starter));
  return members;
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

async function registered({ presence }: Member): Promise<void> {
  await eventually(() => presence.state === 'registered', { timeoutMs: 120_000, everyMs: 50 });
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
