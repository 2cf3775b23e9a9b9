// `memory`: what fleetd keeps in memory on one host, without units and with 100 and 500.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, Benchmark, Curve, Figure, Findings } from './figures.ts';
import { median } from './figures.ts';
import { memoryOf, type Memory } from './idle.ts';
import { inLab, names, script, writeUnits } from './lab.ts';
import { packagedFleetd } from './packaged.ts';
import type { Lab } from '../support/lab.ts';

const STEPS = [0, 100, 500];
/** ms; by then the heap is cleared, and V8 has given its pages back. */
const SETTLE_MS = 20_000;
const LOOK_MS = 3_000;

export const memory: Benchmark = {
  name: 'memory',
  about:
    'Memory of fleetd as it is packaged, which leads too, on one host with so many units of its own: resident from 20 s after their start on, beside Node that does nothing; what of it is its own and not pages of its file; and the most it has had until then.',
  run: async (bench) =>
    await inLab(1, (lab) => measure(lab, bench), { service: await packagedFleetd() }),
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
    const seen: Memory[] = [];
    const bare: number[] = [];
    await delay(SETTLE_MS);
    for (let run = 0; run < runs; run += 1) {
      await delay(LOOK_MS);
      seen.push(await memoryOf(lab, 'h1'));
      bare.push(await bareNode(lab));
    }
    const resident = seen.map(({ residentMB }) => residentMB);
    figures.push(
      {
        what: `fleetd with ${count} units`,
        unit: 'MB',
        values: resident,
        against: { what: 'Node alone', values: bare },
        goal: { atMost: 90 },
      },
      {
        what: `of it not of its file, with ${count} units`,
        unit: 'MB',
        values: seen.map(({ ownMB }) => ownMB),
      },
      { what: `the most, up to ${count} units`, unit: 'MB', values: [await mostOf(lab)] },
    );
    points.push([count, median(resident)]);
    say(`memory: ${count} units`);
  }
  const curves: Curve[] = [{ plot: 'memory', name: 'fleetd', x: 'units', y: 'MB', points }];
  return { figures, curves };
}

/** The most in MB that fleetd has had resident since its start. */
async function mostOf(lab: Lab): Promise<number> {
  const status = await script(lab, 'h1', 'cat /proc/$(systemctl show -P MainPID fleet)/status');
  const kB = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]);
  if (!(kB > 0)) throw new Error('h1: there is no fleetd to be read');
  return kB / 1000;
}

/** Resident memory in MB of the project's Node, which does nothing. */
async function bareNode(lab: Lab): Promise<number> {
  const read =
    "/^VmRSS:\\s+(\\d+)/m.exec(require('node:fs').readFileSync('/proc/self/status', 'latin1'))[1]";
  return Number((await lab.out('h1', 'node', '-p', read)).trim()) / 1000;
}
