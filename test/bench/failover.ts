// `failover`: one of three hosts dies, or shuts down in good order, with its share of 500 units.
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../support/lab.ts';
import { machines } from '../support/lab.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { activeOn, inLab, names, script, timedOn, writeUnits } from './lab.ts';

const COUNT = 500;
const UNITS = { directory: '/root/over', prefix: 'over', count: COUNT };
/** ms between two looks at the hosts that are left: each takes them some of their time */
const LOOK_MS = 200;
const ETCD_TTL_SEC = 3;
/** ms in which another host has taken the lead that one has given up. */
const ELECTED_MS = 3_000;

export const failover: Benchmark = {
  name: 'failover',
  about:
    'Three hosts with 500 units; the power of one is cut (or it is shut down in good order) until all units run on the other two. The leader of the engine is on any of them. etcd is apart from the hosts, but where one of its three members, the leading one, is on the host that is lost. Beside it: a share of the units started on two hosts at once by systemctl, and stopped.',
  run: runFailover,
};

async function runFailover(bench: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  for (const ttlSec of [3, 30])
    figures.push(
      ...(await inLab(3, (lab) => measure(lab, { ...bench, ttlSec }), { ttl: `${ttlSec}s` })),
    );
  const ttl = `${ETCD_TTL_SEC}s`;
  figures.push(await inLab(3, (lab) => measureEtcd(lab, bench), { ttl, etcd: 'each' }));
  return { figures };
}

async function measure(
  lab: Lab,
  { runs, say, ttlSec }: Bench & { ttlSec: number },
): Promise<readonly Figure[]> {
  await writeUnits(lab, 'h1', UNITS);
  await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
  const hand = await byHand(lab, runs);
  const plain: number[] = [];
  const leading: number[] = [];
  const orderly: number[] = [];
  const cut = async (victim: string, seconds: number[], what: string): Promise<void> => {
    seconds.push(await untilElsewhere(lab, victim, () => lab.kill(victim)));
    await back(lab, victim);
    say(`failover: ttl ${ttlSec} s, ${what}: ${seconds.at(-1)?.toFixed(2)} s`);
  };
  for (let run = 0; run < runs; run += 1) {
    const leader = await leaderElsewhere(lab);
    await cut(leader === 'h2' ? 'h3' : 'h2', plain, 'a host');
    if (ttlSec > 3) continue; // a run takes more than a minute
    await cut(await leaderElsewhere(lab), leading, 'the leader');
    orderly.push(await untilElsewhere(lab, 'h2', () => lab.halt('h2')));
    await back(lab, 'h2');
  }
  const figures: Figure[] = [];
  const add = (what: string, values: readonly number[], atMost: number): void => {
    if (values.length > 0) figures.push({ what, unit: 's', values, goal: { atMost } });
  };
  figures.push(
    {
      what: `the same units on the two by systemctl, ttl ${ttlSec} s`,
      unit: 's',
      values: hand.start,
    },
    { what: `the same stopped there by systemctl, ttl ${ttlSec} s`, unit: 's', values: hand.stop },
  );
  add(`power cut, ttl ${ttlSec} s`, plain, ttlSec + 1);
  add(`power cut of the leader, ttl ${ttlSec} s`, leading, ttlSec + 7);
  if (orderly.length > 0)
    figures.push({
      what: 'shut down in good order',
      unit: 's',
      values: orderly,
      against: { what: 'their stop by systemctl', values: hand.stop },
      goal: { moreAtMost: 1.5 },
    });
  return figures;
}

/** The host is lost on which etcd's leader is, and the engine's is not. */
async function measureEtcd(lab: Lab, { runs, say }: Bench): Promise<Figure> {
  await writeUnits(lab, 'h1', UNITS);
  await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const victim = (await leaderElsewhere(lab)) === 'h2' ? 'h3' : 'h2';
    await giveEtcdLeadTo(lab, victim);
    values.push(await untilElsewhere(lab, victim, () => lab.kill(victim)));
    await back(lab, victim);
    say(`failover: ttl ${ETCD_TTL_SEC} s, etcd's leader: ${values.at(-1)?.toFixed(2)} s`);
  }
  const what = `power cut of etcd's leader, ttl ${ETCD_TTL_SEC} s`;
  return { what, unit: 's', values, goal: { atMost: ETCD_TTL_SEC + 4 } };
}

/** Waits until all members are there again, and makes the one on this host the leader of etcd. */
async function giveEtcdLeadTo(lab: Lab, host: string): Promise<void> {
  await etcdctl(lab, 'endpoint health');
  const row = (await lab.rows()).find((each) => each.host === host);
  const members = (await etcdctl(lab, 'endpoint status'))
    .split('\n')
    .map((line) => line.split(', '));
  const member = members.find(([endpoint]) => endpoint === `http://${row?.address}:2379`);
  if (member === undefined) throw new Error(`no member of etcd is on ${host}`);
  const [, id = '', , , leads] = member;
  if (leads !== 'true') await etcdctl(lab, `move-leader ${id}`);
}

/** What etcdctl on the first host says of the members that fleetd there has. */
async function etcdctl(lab: Lab, command: string): Promise<string> {
  const servers = `$(sed -n 's/^etcd_servers=//p' /etc/fleet/fleet.conf | tr -d '[]" ')`;
  const text = `export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=${servers}; etcdctl ${command}`;
  return (await script(lab, 'h1', text)).trim();
}

/** Seconds from when `end` begins until the other hosts run every unit. */
async function untilElsewhere(lab: Lab, victim: string, end: () => Promise<void>): Promise<number> {
  const left = lab.hosts.filter((host) => host !== victim);
  const began = performance.now();
  const ending = end();
  for (;;) {
    const counts = await Promise.all(left.map((host) => activeOn(lab, host, UNITS.prefix)));
    if (counts.reduce((sum, count) => sum + count, 0) === COUNT) break;
    if (performance.now() - began > 120_000)
      throw new Error(`units are lost: ${counts.join(', ')}`);
    await delay(LOOK_MS);
  }
  const seconds = (performance.now() - began) / 1000;
  await ending;
  return seconds;
}

/** Seconds that systemctl takes for what moves: half of a host's share started on each of two hosts at the same time, and stopped. */
async function byHand(
  lab: Lab,
  runs: number,
): Promise<Readonly<Record<'start' | 'stop', readonly number[]>>> {
  const hosts = lab.hosts.slice(0, 2);
  const moved = { directory: '/root/hand', prefix: 'hand', count: Math.ceil(COUNT / 3 / 2) };
  for (const host of hosts) await writeUnits(lab, host, moved);
  const start: number[] = [];
  const stop: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const link = `systemctl link --runtime -q $(printf '${moved.directory}/%s ' ${names(moved)})`;
    const begin = `${link}; systemctl daemon-reload; systemctl start ${names(moved)}`;
    start.push(Math.max(...(await Promise.all(hosts.map((host) => timedOn(lab, host, begin))))));
    const end = `systemctl stop ${names(moved)}; systemctl disable --runtime -q ${names(moved)}`;
    stop.push(Math.max(...(await Promise.all(hosts.map((host) => timedOn(lab, host, end))))));
  }
  return { start: start.map((ms) => ms / 1000), stop: stop.map((ms) => ms / 1000) };
}

/** Boots it again and gives it a share anew, so that the next run begins as this one did. */
async function back(lab: Lab, victim: string): Promise<void> {
  await lab.boot(victim);
  await machines(lab, 'h1', lab.hosts.length);
  await script(lab, 'h1', `fleetctl destroy ${names(UNITS)} >/dev/null`);
  await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
}

/** The host whose engine leads, and not h1: that gives the lead up, because units are submitted there. */
async function leaderElsewhere(lab: Lab): Promise<string> {
  for (;;) {
    const leader = await leaderOf(lab);
    if (leader !== undefined && leader !== 'h1') return leader;
    if (leader === 'h1') await script(lab, 'h1', 'systemctl restart fleet.service');
    await delay(ELECTED_MS);
    await machines(lab, 'h1', lab.hosts.length);
  }
}

/** The host whose engine leads, by the store's `leader` key. */
async function leaderOf(lab: Lab): Promise<string | undefined> {
  const record = await etcdctl(lab, 'get /_coreos.com/fleet/leader --print-value-only');
  if (record === '') return undefined;
  const { machine } = JSON.parse(record) as { machine: string };
  return (await lab.rows()).find(({ machineId }) => machineId === machine)?.host;
}
