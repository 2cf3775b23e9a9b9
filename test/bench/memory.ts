// `memory`: what fleetd keeps in memory on one host, without units and with 100 and 500.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, Benchmark, Curve, Figure, Findings } from './figures.ts';
import { median } from './figures.ts';
import { residentMB } from './idle.ts';
import { inLab, names, script, writeUnits } from './lab.ts';
import type { Lab } from '../support/lab.ts';

const STEPS = [0, 100, 500];
const SETTLE_MS = 3_000;

export const memory: Benchmark = {
  name: 'memory',
  about: 'Resident memory of fleetd, which leads too, on one host with so many units of its own.',
  run: (bench) => inLab(1, (lab) => measure(lab, bench)),
};

async function measure(lab: Lab, { runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  const points: [number, number][] = [];
  let running = 0;
  for (const count of STEPS) {
    if (count > running) {
      const units = {
        directory: '/root/mem',
        prefix: 'mem',
        first: running + 1,
        count: count - running,
      };
      await writeUnits(lab, 'h1', units);
      await script(lab, 'h1', `cd ${units.directory}; fleetctl start ${names(units)} >/dev/null`);
      running = count;
    }
    const values: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      await delay(SETTLE_MS);
      values.push(await residentMB(lab, 'h1'));
    }
    figures.push({ what: `fleetd with ${count} units`, unit: 'MB', values, goal: { atMost: 90 } });
    points.push([count, median(values)]);
    say(`memory: ${count} units`);
  }
  const curves: Curve[] = [{ plot: 'memory', name: 'fleetd', x: 'units', y: 'MB', points }];
  return { figures, curves };
}
