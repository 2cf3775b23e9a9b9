// `start-one`: fleetctl start of one unit until it is active, beside systemctl by hand.
import type { Lab } from '../support/lab.ts';
import type { Bench, Benchmark, Findings } from './figures.ts';
import { destroyAll, inLab, timedOn, writeUnits } from './lab.ts';

export const startOne: Benchmark = {
  name: 'start-one',
  about:
    'One unit on one host, real systemd and etcd: `fleetctl start` until active, beside `systemctl link`, `daemon-reload` and `start` by hand; fleetctl as it is packaged.',
  run: (bench) => inLab(1, (lab) => measure(lab, bench)),
};

async function measure(lab: Lab, { runs, say }: Bench): Promise<Findings> {
  const total = runs * 2 + 1;
  const units = { directory: '/root/one', prefix: 'one', count: total };
  await writeUnits(lab, 'h1', units);
  const fleet: number[] = [];
  const byHand: number[] = [];
  const version: number[] = [];
  const node: number[] = [];
  for (let run = 1; run <= runs; run += 1) {
    const file = (n: number): string => `/root/one/one${n}.service`;
    // The first warms the page cache of both.
    if (run === 1) await timedOn(lab, 'h1', `fleetctl start ${file(total)}`);
    fleet.push(await timedOn(lab, 'h1', `fleetctl start ${file(run)}`));
    const other = runs + run;
    byHand.push(
      await timedOn(
        lab,
        'h1',
        `systemctl link --runtime -q ${file(other)}; systemctl daemon-reload; systemctl start one${other}`,
      ),
    );
    version.push(await timedOn(lab, 'h1', 'fleetctl version'));
    node.push(await timedOn(lab, 'h1', '/usr/local/bin/node -e 0'));
    say(`start-one: run ${run}`);
  }
  await destroyAll(lab, { prefix: 'one', count: runs });
  return {
    figures: [
      {
        what: '`fleetctl start` of one unit until active',
        unit: 'ms',
        values: fleet,
        against: { what: 'systemctl', values: byHand },
        goal: { moreAtMost: 60 },
      },
      {
        what: '`fleetctl version`',
        unit: 'ms',
        values: version,
        against: { what: '`node -e 0`', values: node },
        goal: { atMost: 45 },
      },
    ],
  };
}
