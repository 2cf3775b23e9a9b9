// `npm run soak -- [--minutes 60] [--hosts 8] [--units 64] [--seed N] [--json FILE]`: whole fleetds on a real etcd under churn, round by round.
// A round is churn with hosts that come and go, then rest, in which all must agree. Prints a line a round, writes JSON, ends with a verdict.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { decode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog, type Log } from '../../src/runtime/log.ts';
import { openEtcdStore } from '../../src/store/etcd/open.ts';
import { machineId } from '../support/api.ts';
import { startEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { randomFrom } from '../support/random.ts';
import { disagreements, doublePlacements, doubleRuns, keyCounts } from './checks.ts';
import { Churn, unitNames, type Counts } from './churn.ts';
import { Ledger } from './ledger.ts';
import { growthOf, sample, type Growth, type Sample } from './measure.ts';
import { SimulatedHost } from '../support/simulated-host.ts';

const PREFIX = '/_coreos.com/fleet/';
const TTL_SEC = 5;
const WORKERS = 6;
const ROUND_MS = 25_000;
/** ms in which all must agree when nothing happens any more; and after which two running copies of a unit are one too many. */
const REST_MAX_MS = 90_000;
const DOUBLE_RUN_MAX_MS = 15_000;
const LOOK_EVERY_MS = 250;

/** ms after which a unit file that nothing names must be gone: two looks of a leader, and some. */
const FILE_MAX_MS = 13 * 60_000;

interface Round extends Sample {
  /** Unit files sent so far. */
  readonly sent: number;
  readonly restMs: number;
  readonly keys: Readonly<Record<string, number>>;
}

interface Report {
  readonly seed: number;
  readonly minutes: number;
  readonly hosts: number;
  readonly units: number;
  readonly rounds: readonly Round[];
  readonly counts: Counts;
  readonly logged: Readonly<Record<string, number>>;
  readonly longestDoubleRunMs: number;
  readonly growth: readonly Growth[];
  readonly violations: readonly string[];
}

const never = new AbortController().signal;

/** Counts what is logged by level and message; a fault of ours is a violation. */
function countingLog(counts: Record<string, number>, violated: (what: string) => void): Log {
  const count =
    (level: string) =>
    (fields: object, message: string): void => {
      const { part } = fields as { part?: string };
      const line = `${level}: ${message}${part === undefined ? '' : ` (${part})`}`;
      counts[line] = (counts[line] ?? 0) + 1;
      const { err } = fields as { err?: unknown };
      if (level === 'error' && message.includes('fault'))
        violated(`${message}: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}`);
    };
  const log: Log = {
    ...silentLog,
    error: count('error'),
    warn: count('warn'),
    child: () => log,
  };
  return log;
}

/** Looks all the time at what must never be; answers the longest time in ms that a unit ran twice. */
async function watchOver(
  look: () => Promise<readonly string[]>,
  runs: () => readonly string[],
  violated: (what: string) => void,
  signal: AbortSignal,
): Promise<number> {
  const since = new Map<string, number>();
  let longestMs = 0;
  while (!signal.aborted) {
    for (const line of await look()) violated(`at one revision: ${line}`);
    const now = performance.now();
    const twice = new Set(runs());
    for (const name of since.keys()) if (!twice.has(name)) since.delete(name);
    for (const name of twice) {
      const ms = now - (since.get(name) ?? now);
      if (!since.has(name)) since.set(name, now);
      if (ms > DOUBLE_RUN_MAX_MS && ms > longestMs)
        violated(`${name} runs on two hosts that can be reached for ${Math.round(ms)} ms`);
      longestMs = Math.max(longestMs, ms);
    }
    await delay(LOOK_EVERY_MS);
  }
  return longestMs;
}

async function soak(options: {
  minutes: number;
  hosts: number;
  units: number;
  seed: number;
}): Promise<Report> {
  const dir = mkdtempSync(join(tmpdir(), 'fleet-soak-'));
  mkdirSync(join(dir, 'etcd'));
  const etcd = await startEtcd({ dir: join(dir, 'etcd') });
  const violations: string[] = [];
  const violated = (what: string): void => {
    if (violations.length < 100) violations.push(what);
    console.log(`VIOLATION ${what}`);
  };
  const logged: Record<string, number> = {};
  const log = countingLog(logged, violated);
  const [member] = etcd.members;
  const kv = await openEtcdStore({
    endpoints: etcd.endpoints,
    requestTimeoutMs: 5_000,
    clock: systemClock,
    random: Math.random,
  });
  const keys = keysUnder(PREFIX);
  const hosts: SimulatedHost[] = [];
  for (let i = 1; i <= options.hosts; i += 1) {
    const own = join(dir, `host${i}`);
    mkdirSync(own);
    const metadata = `rack=${i % 2 === 0 ? 'a' : 'b'}`;
    const { clientPort: etcdPort } = member!;
    hosts.push(
      await SimulatedHost.open({
        machine: machineId(i),
        dir: own,
        etcdPort,
        ttlSec: TTL_SEC,
        metadata,
        log,
      }),
    );
  }
  const names = unitNames(options.units);
  const ledger = new Ledger();
  const leader = async (): Promise<string | undefined> => {
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.leader }] }, never);
    return gets[0] && decode('leader', keys.leader, gets[0].value).machine;
  };
  const random = randomFrom(options.seed);
  const churn = new Churn({ hosts, names, ledger, random, ttlSec: TTL_SEC, leader, violated });
  const rounds: Round[] = [];
  const ended = new AbortController();
  const watched = watchOver(
    () => doublePlacements(kv, keys),
    () => doubleRuns(hosts),
    violated,
    ended.signal,
  );
  let longestDoubleRunMs = 0;
  try {
    for (const host of hosts) host.start();
    await eventually(async () => (await churn.client().machines(never)).length === hosts.length, {
      timeoutMs: 60_000,
      everyMs: 200,
    });
    const end = performance.now() + options.minutes * 60_000;
    while (performance.now() < end && violations.length < 20) {
      const busy = new AbortController();
      const churning = Promise.all([churn.users(WORKERS, busy.signal), churn.chance(busy.signal)]);
      await Promise.race([delay(ROUND_MS), churning]);
      busy.abort();
      await churning;
      const began = performance.now();
      const deps = { client: churn.client(), hosts, names, ledger, kv, keys };
      await eventually(
        async () => {
          const lines = await disagreements(deps);
          if (lines.length > 0) throw new Error(lines.join('\n  '));
        },
        { timeoutMs: REST_MAX_MS, everyMs: 500 },
      ).catch((error: unknown) => violated(`no rest: ${String(error)}`));
      const restMs = performance.now() - began;
      for (const { systemd } of hosts) systemd.calls.length = 0; // the fake's own memory of it all
      rounds.push({
        ...(await sample()),
        sent: churn.counts.files,
        restMs,
        keys: await keyCounts(kv, keys),
      });
      printRound(rounds, churn.counts);
      if (filesTooMany(rounds)) violated('the store gathers unit files that nothing names');
    }
    ended.abort();
    longestDoubleRunMs = await watched;
  } finally {
    ended.abort();
    churn.close();
    await Promise.allSettled(hosts.map((host) => host.close()));
    await kv.close();
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  return {
    ...options,
    rounds,
    counts: churn.counts,
    logged,
    longestDoubleRunMs,
    growth: growthOf(rounds),
    violations,
  };
}

/** More files than were sent in the time in which they may be there, and than there are units. */
function filesTooMany(rounds: readonly Round[]): boolean {
  const now = rounds.at(-1);
  const before = rounds.findLast(
    (round) => now !== undefined && now.atMs - round.atMs > FILE_MAX_MS,
  );
  if (now === undefined || before === undefined) return false;
  return (now.keys['file'] ?? 0) > now.sent - before.sent + 2 * (now.keys['c/unit'] ?? 0);
}

function printRound(rounds: readonly Round[], counts: Counts): void {
  const round = rounds.at(-1)!;
  if (rounds.length % 20 === 1)
    console.log('round  min  requests failed  rest s  rss MB heap MB ext MB  fds handles  keys');
  const columns: readonly [string | number, number][] = [
    [rounds.length, 5],
    [(round.atMs / 60_000).toFixed(1), 5],
    [counts.requests, 10],
    [counts.failed, 7],
    [(round.restMs / 1000).toFixed(1), 8],
    [round.rssMb.toFixed(0), 8],
    [round.heapMb.toFixed(1), 8],
    [round.externalMb.toFixed(1), 7],
    [round.descriptors, 5],
    [round.resources, 8],
  ];
  const shown = ['c/unit', 'c/placed', 'c/global', 'state', 'file', 'pending'];
  const keys = shown.map((kind) => `${kind} ${round.keys[kind] ?? 0}`).join(', ');
  console.log(`${columns.map(([text, width]) => String(text).padStart(width)).join('')}  ${keys}`);
}

function printVerdict(report: Report): boolean {
  for (const { figure, before, after, isFlat } of report.growth)
    console.log(
      `${figure}: ${before.toFixed(1)} in the second quarter, ${after.toFixed(1)} in the last: ${isFlat ? 'flat' : 'GROWS'}`,
    );
  console.log(`longest time that a unit ran twice: ${Math.round(report.longestDoubleRunMs)} ms`);
  console.log(`faults: ${JSON.stringify(report.counts.faults)}`);
  console.log(`logged: ${JSON.stringify(report.logged, null, 1)}`);
  const grows = report.growth.filter(({ isFlat }) => !isFlat).length;
  const isGood = report.violations.length === 0 && grows === 0 && report.rounds.length > 0;
  console.log(
    `soak: ${isGood ? 'PASSED' : 'FAILED'}: ${report.rounds.length} rounds, ${report.counts.requests} requests, ${report.violations.length} violations, ${grows} figures that grow (seed ${report.seed})`,
  );
  return isGood;
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    hosts: { type: 'string', default: '8' },
    units: { type: 'string', default: '64' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    json: { type: 'string' },
  },
});
const report = await soak({
  minutes: Number(values.minutes),
  hosts: Number(values.hosts),
  units: Number(values.units),
  seed: Number(values.seed),
});
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
process.exitCode = printVerdict(report) ? 0 : 1;
