// A fleetd whose engine has a planted fault: planning a unit whose name begins with 'faulty' throws.
import { fleetd } from '../../agent/program.ts';
import { FILTERS } from '../../src/scheduler/filters.ts';
import type { Filter } from '../../src/scheduler/filters.ts';

const fault: Filter = (unit) => {
  if (unit.name.startsWith('faulty')) throw new TypeError('a planted fault');
  return undefined;
};

process.title = 'fleetd';
process.exitCode = await fleetd(process.argv.slice(2), {
  filters: { take: [fault, ...FILTERS.take], keep: [fault, ...FILTERS.keep] },
});
