// `idle`: what a cluster costs when nothing happens: requests that etcd receives, CPU and memory of everything that takes part.
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../support/lab.ts';
import { ratesBetween, readEtcd } from './etcd-metrics.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { inLab, names, script, writeUnits } from './lab.ts';
import { packagedFleetd } from './packaged.ts';

const UNITS = { directory: '/root/idle', prefix: 'idle', count: 500 };
const HOSTS = 3;
const SETTLE_MS = 15_000;
const WATCHED_MS = 60_000;
/** Each with what prints its process ids on a host. */
const PROGRAMS = { fleetd: 'pidof fleetd', systemd: 'echo 1', 'dbus-daemon': 'pidof dbus-daemon' };

export const idle: Benchmark = {
  name: 'idle',
  about: `500 units on 3 hosts, nothing happens; looked at for ${WATCHED_MS / 1000} s at a time: requests that etcd counts, CPU of each program, memory. fleetd is as it is packaged; agents have a ttl of 30 s.`,
  run: async (bench) =>
    await inLab(HOSTS, (lab) => measure(lab, bench), { service: await packagedFleetd() }),
};

async function measure(lab: Lab, { runs, say }: Bench): Promise<Findings> {
  await writeUnits(lab, 'h1', UNITS);
  await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
  await delay(SETTLE_MS);
  const endpoint = await etcdOf(lab);
  const windows: Window[] = [];
  for (let run = 0; run < runs; run += 1) {
    windows.push(await watch(lab, endpoint));
    say(`idle: minute ${run + 1}`);
  }
  const methods = [...new Set(windows.flatMap(({ rates }) => Object.keys(rates)))].sort();
  const share = (program: string): number[] => windows.flatMap(({ percent }) => percent(program));
  const figures: Figure[] = [
    {
      what: 'requests at etcd, for each host',
      unit: '/s',
      values: windows.map(({ rates }) => sum(Object.values(rates)) / HOSTS),
      goal: { atMost: 0.5 },
    },
    ...methods.map((method) => ({
      what: `of these, ${method}`,
      unit: '/s',
      values: windows.map(({ rates }) => (rates[method] ?? 0) / HOSTS),
    })),
    { what: 'CPU of fleetd, a host', unit: '%', values: share('fleetd'), goal: { atMost: 0.5 } },
    { what: 'CPU of systemd, a host', unit: '%', values: share('systemd') },
    { what: 'CPU of dbus-daemon, a host', unit: '%', values: share('dbus-daemon') },
    { what: 'CPU of etcd', unit: '%', values: windows.map(({ etcdPercent }) => etcdPercent) },
    {
      what: 'resident memory of fleetd',
      unit: 'MB',
      values: await Promise.all(
        lab.hosts.map(async (host) => (await memoryOf(lab, host)).residentMB),
      ),
      goal: { atMost: 90 },
    },
  ];
  return { figures };
}

/** What was seen in one minute. */
interface Window {
  /** requests a second by kind, of all hosts */
  readonly rates: Readonly<Record<string, number>>;
  readonly etcdPercent: number;
  /** CPU of a program, host by host */
  readonly percent: (program: string) => readonly number[];
}

async function watch(lab: Lab, endpoint: string): Promise<Window> {
  const [etcdBefore, before] = [await readEtcd(endpoint), await cpuOnAll(lab)];
  await delay(WATCHED_MS);
  const [etcdAfter, after] = [await readEtcd(endpoint), await cpuOnAll(lab)];
  const seconds = WATCHED_MS / 1000;
  const percent = (from: number, to: number): number => ((to - from) / seconds) * 100;
  return {
    rates: ratesBetween(etcdBefore, etcdAfter, seconds),
    etcdPercent: percent(etcdBefore.cpuSeconds, etcdAfter.cpuSeconds),
    percent: (program) =>
      lab.hosts.map((_, i) => percent(before[i]?.[program] ?? 0, after[i]?.[program] ?? 0)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The shared etcd of the lab. */
async function etcdOf(lab: Lab): Promise<string> {
  const [row] = await lab.rows();
  return `http://${row?.address.split('.').slice(0, 3).join('.')}.1:2379`;
}

/** CPU seconds of each program, host by host. */
async function cpuOnAll(lab: Lab): Promise<readonly Readonly<Record<string, number>>[]> {
  return await Promise.all(
    lab.hosts.map(async (host) => {
      const lines = Object.values(PROGRAMS).map(
        (ids) =>
          `t=0; for p in $(${ids}); do set -- $(sed 's/.*) //' /proc/$p/stat); t=$((t + \${12} + \${13})); done; echo $t`,
      );
      const ticks = (await script(lab, host, lines.join('\n'))).trim().split('\n').map(Number);
      return Object.fromEntries(
        Object.keys(PROGRAMS).map((name, i) => [name, (ticks[i] ?? 0) / 100]),
      );
    }),
  );
}

/** Of the fleetd of a host. */
export interface Memory {
  readonly residentMB: number;
  /** What is no page of a file. */
  readonly ownMB: number;
}

export async function memoryOf(lab: Lab, host: string): Promise<Memory> {
  const text =
    "sed -n 's/^\\(Rss\\|Anonymous\\): *\\([0-9]*\\) kB/\\2/p' /proc/$(systemctl show -P MainPID fleet)/smaps_rollup";
  const [resident = 0, own = 0] = (await script(lab, host, text)).trim().split('\n').map(Number);
  if (!(resident > 0 && own > 0)) throw new Error(`${host}: there is no fleetd to be read`);
  return { residentMB: resident / 1000, ownMB: own / 1000 };
}
