// `nomi`: 900 units on 3 hosts in one command, and the delay of each unit: a published benchmark of fleet 0.10 has a tail of 75 s.
import type { Lab } from '../support/lab.ts';
import { quantile, type Bench, type Benchmark, type Findings } from './figures.ts';
import { inLab, names, script, untilActive, writeUnits } from './lab.ts';

const COUNT = 900;
const UNITS = { directory: '/root/nomi', prefix: 'nomi', count: COUNT };

export const nomi: Benchmark = {
  name: 'nomi',
  about:
    '900 units on 3 hosts by one `fleetctl start`: from when the command begins until systemd has each unit active, by the kernel’s one clock.',
  run: (bench) => inLab(3, (lab) => measure(lab, bench)),
};

async function measure(lab: Lab, { runs, say }: Bench): Promise<Findings> {
  await writeUnits(lab, 'h1', UNITS);
  const shares = { p50: 0.5, p90: 0.9, p99: 0.99, most: 1 };
  const found: Record<keyof typeof shares, number[]> = { p50: [], p90: [], p99: [], most: [] };
  for (let run = 0; run < runs; run += 1) {
    const beganUs = process.hrtime.bigint() / 1000n;
    await script(lab, 'h1', `cd ${UNITS.directory}; fleetctl start ${names(UNITS)} >/dev/null`);
    await untilActive(lab, UNITS.prefix, COUNT);
    const delays = (await Promise.all(lab.hosts.map((host) => activeAtUs(lab, host))))
      .flat()
      .map((us) => Number(us - beganUs) / 1e6);
    if (delays.length !== COUNT) throw new Error(`${delays.length} units are active`);
    for (const [name, share] of Object.entries(shares))
      found[name as keyof typeof shares].push(quantile(delays, share));
    say(`nomi: run ${run + 1}: the last after ${quantile(delays, 1).toFixed(2)} s`);
    await script(lab, 'h1', `fleetctl destroy ${names(UNITS)} >/dev/null`);
    await untilActive(lab, UNITS.prefix, 0);
  }
  const figure = (what: string, values: readonly number[]) => ({ what, unit: 's', values });
  return {
    figures: [
      figure('delay of a unit, p50', found.p50),
      figure('p90', found.p90),
      figure('p99', found.p99),
      { ...figure('the last', found.most), goal: { atMost: 4 } },
    ],
  };
}

/** When each unit on a host became active, in µs of the monotonic clock. */
async function activeAtUs(lab: Lab, host: string): Promise<readonly bigint[]> {
  const listed = `systemctl list-units --no-legend --plain --state=active '${UNITS.prefix}*.service' | cut -d' ' -f1`;
  const shown = await script(
    lab,
    host,
    `systemctl show -P ActiveEnterTimestampMonotonic $(${listed}) | grep .`,
  );
  return shown.trim().split('\n').map(BigInt);
}
