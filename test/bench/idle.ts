// `idle`: what a cluster costs when nothing happens: requests that etcd receives, CPU and memory of everything that takes part.
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../support/lab.ts';
import { ratesBetween, readEtcd } from './etcd-metrics.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { inLab, names, script, writeUnits } from './lab.ts';

const UNITS = { directory: '/root/idle', prefix: 'idle', count: 500 };
const HOSTS = 3;
const SETTLE_MS = 15_000;
const WATCHED_MS = 60_000;
const PROGRAMS = ['fleetd', 'systemd', 'dbus-daemon'];

export const idle: Benchmark = {
  name: 'idle',
  about: `500 units on 3 hosts, nothing happens for ${WATCHED_MS / 1000} s: requests that etcd counts, CPU of each program, memory. Agents have a ttl of 30 s.`,
  run: (bench) => inLab(HOSTS, (lab) => measure(lab, bench)),
};

async function measure(lab: Lab, { say }: Bench): Promise<Findings> {
  await writeUnits(lab, 'h1', UNITS);
  await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
  await delay(SETTLE_MS);
  const endpoint = await etcdOf(lab);
  const [etcdBefore, before] = [await readEtcd(endpoint), await cpuOnAll(lab)];
  say('idle: watching');
  await delay(WATCHED_MS);
  const [etcdAfter, after] = [await readEtcd(endpoint), await cpuOnAll(lab)];
  const seconds = WATCHED_MS / 1000;
  const rates = ratesBetween(etcdBefore, etcdAfter, seconds);
  const all = Object.values(rates).reduce((sum, rate) => sum + rate, 0);
  const percent = (from: number, to: number): number => ((to - from) / seconds) * 100;
  const share = (program: string): number[] =>
    lab.hosts.map((_, i) => percent(before[i]?.[program] ?? 0, after[i]?.[program] ?? 0));
  const figures: Figure[] = [
    {
      what: 'requests at etcd, for each host',
      unit: '/s',
      values: [all / HOSTS],
      goal: { atMost: 0.5 },
    },
    ...Object.entries(rates).map(([method, rate]) => ({
      what: `of these, ${method}`,
      unit: '/s',
      values: [rate / HOSTS],
    })),
    { what: 'CPU of fleetd, a host', unit: '%', values: share('fleetd'), goal: { atMost: 0.5 } },
    { what: 'CPU of systemd, a host', unit: '%', values: share('systemd') },
    { what: 'CPU of dbus-daemon, a host', unit: '%', values: share('dbus-daemon') },
    {
      what: 'CPU of etcd',
      unit: '%',
      values: [percent(etcdBefore.cpuSeconds, etcdAfter.cpuSeconds)],
    },
    {
      what: 'resident memory of fleetd',
      unit: 'MB',
      values: await Promise.all(lab.hosts.map((host) => residentMB(lab, host))),
      goal: { atMost: 90 },
    },
  ];
  return { figures };
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
      const lines = PROGRAMS.map(
        (name) =>
          `t=0; for p in $(pidof ${name}); do set -- $(sed 's/.*) //' /proc/$p/stat); t=$((t + \${12} + \${13})); done; echo $t`,
      );
      const ticks = (await script(lab, host, lines.join('\n'))).trim().split('\n').map(Number);
      return Object.fromEntries(PROGRAMS.map((name, i) => [name, (ticks[i] ?? 0) / 100]));
    }),
  );
}

/** Of fleetd on a host. */
export async function residentMB(lab: Lab, host: string): Promise<number> {
  const text =
    "for p in $(pidof fleetd); do sed -n 's/^VmRSS: *\\([0-9]*\\) kB/\\1/p' /proc/$p/status; done";
  const all = (await script(lab, host, text)).trim().split('\n').map(Number);
  return all.reduce((sum, kb) => sum + kb, 0) / 1000;
}
