// Runs seeds as a process of its own: node seeds-process.ts FROM TO [MUTANT]. One JSON line a seed on stdout.
// With a mutant, the code that runs has that fault: its own plan comes first, as seed FROM - 1, and it ends with the first that fails.
import { mutants } from './mutants.ts';
import { plant } from './plant.ts';

const [from = '1', to = from, name] = process.argv.slice(2);
const mutant = mutants.find((each) => each.name === name);
if (name !== undefined && mutant === undefined) throw new Error(`no mutant '${name}'`);
const planted = mutant === undefined ? undefined : plant(mutant);

const { planOf } = await import('./plan.ts');
const { keptPlan } = await import('./kept-plans.ts');
const { runPlan } = await import('./world.ts');
const first = Number(from) - (mutant?.plan === undefined ? 0 : 1);
for (let seed = first; seed <= Number(to); seed += 1) {
  const isKept = seed < Number(from) && mutant?.plan !== undefined;
  const { violations, hash } = await runPlan(isKept ? keptPlan(mutant.plan) : planOf(seed));
  const { user, system } = process.cpuUsage();
  const line = { seed, violations, hash, cpuSeconds: (user + system) / 1e6 };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (mutant !== undefined && violations.length > 0) break;
}
planted?.check();
process.exit(0); // what is dead in the simulation waits for ever
