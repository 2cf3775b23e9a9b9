// `start-many` and `stop-many`: 100 and 500 units on 1 and 3 hosts, beside the same by systemctl.
import type { Lab } from '../support/lab.ts';
import type { Bench, Benchmark, Figure, Findings } from './figures.ts';
import { inLab, names, timedOn, untilActive, writeUnits, type Units } from './lab.ts';

const COUNTS = [100, 500];
const HOSTS = [1, 3];

export const startMany: Benchmark = {
  name: 'start-many',
  about:
    'So many units by one `fleetctl start`, real systemd and etcd, until all are reported active; beside one `systemctl link`, `daemon-reload` and `start` with all names, on each host its share at the same time.',
  run: (bench) => onEach(bench, 'start'),
};

export const stopMany: Benchmark = {
  name: 'stop-many',
  about:
    'The same units by one `fleetctl destroy`, until nothing is left of them; beside one `systemctl stop` and `disable`.',
  run: (bench) => onEach(bench, 'stop'),
};

type Half = 'start' | 'stop';

/** Both halves come of the same runs: whoever is first makes them. */
const measured = new Map<Bench, Promise<readonly Measured[]>>();

interface Measured {
  readonly what: string;
  readonly fleet: readonly Pair[];
  readonly hand: readonly Pair[];
}

async function onEach(bench: Bench, half: Half): Promise<Findings> {
  const all = measured.get(bench) ?? measureAll(bench);
  measured.set(bench, all);
  const figures = (await all).map(({ what, fleet, hand }): Figure => {
    const verb = half === 'start' ? 'start' : 'destroy';
    return {
      what: `${verb} of ${what}`,
      unit: 's',
      values: fleet.map((pair) => pair[half]),
      against: { what: 'systemctl', values: hand.map((pair) => pair[half]) },
      goal: { ratioAtMost: 1.5 },
    };
  });
  return { figures };
}

async function measureAll(bench: Bench): Promise<readonly Measured[]> {
  const all: Measured[] = [];
  for (const hosts of HOSTS)
    await inLab(hosts, async (lab) => {
      for (const count of COUNTS) all.push(await measure(lab, bench, count));
    });
  return all;
}

async function measure(lab: Lab, bench: Bench, count: number): Promise<Measured> {
  const mine = { directory: '/root/many', prefix: 'many', count };
  await writeUnits(lab, 'h1', mine);
  await Promise.all(
    lab.hosts.map((host) =>
      writeUnits(lab, host, { ...mine, directory: '/root/hand', prefix: 'hand' }),
    ),
  );
  const fleet: Pair[] = [];
  const hand: Pair[] = [];
  for (let run = 0; run < bench.runs; run += 1) {
    fleet.push(await byFleet(lab, mine));
    hand.push(await byHand(lab, count));
    bench.say(`${count} units on ${lab.hosts.length} hosts, run ${run + 1}`);
  }
  const on = lab.hosts.length === 1 ? 'one host' : `${lab.hosts.length} hosts`;
  return { what: `${count} units on ${on}`, fleet, hand };
}

/** seconds */
type Pair = Readonly<Record<Half, number>>;

async function byFleet(lab: Lab, units: Units): Promise<Pair> {
  const start = await timedOn(lab, 'h1', `cd ${units.directory}; fleetctl start ${names(units)}`);
  await untilActive(lab, units.prefix, units.count);
  const stop = await timedOn(lab, 'h1', `fleetctl destroy ${names(units)}`);
  await untilActive(lab, units.prefix, 0);
  return { start: start / 1000, stop: stop / 1000 };
}

async function byHand(lab: Lab, count: number): Promise<Pair> {
  const share = Math.ceil(count / lab.hosts.length);
  const onAll = async (command: (units: Omit<Units, 'directory'>) => string): Promise<number> => {
    const times = await Promise.all(
      lab.hosts.map((host, i) => {
        const first = i * share + 1;
        const units = { prefix: 'hand', first, count: Math.min(share, count - first + 1) };
        return timedOn(lab, host, `cd /root/hand; ${command(units)}`);
      }),
    );
    return Math.max(...times) / 1000;
  };
  const start = await onAll(
    (units) =>
      `systemctl link --runtime -q $(printf '/root/hand/%s ' ${names(units)}); systemctl daemon-reload; systemctl start ${names(units)}`,
  );
  const stop = await onAll(
    (units) => `systemctl stop ${names(units)}; systemctl disable --runtime -q ${names(units)}`,
  );
  return { start, stop };
}
