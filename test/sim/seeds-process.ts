// Runs seeds as a process of its own: node seeds-process.ts FROM TO [MUTANT]. One JSON line a seed on stdout.
// With a mutant, the code that runs has that fault; it ends with the first seed that fails.
import { mutants } from './mutants.ts';
import { plant } from './plant.ts';

const [from = '1', to = from, name] = process.argv.slice(2);
const mutant = mutants.find((each) => each.name === name);
if (name !== undefined && mutant === undefined) throw new Error(`no mutant '${name}'`);
const planted = mutant === undefined ? undefined : plant(mutant);

const { planOf } = await import('./plan.ts');
const { runPlan } = await import('./world.ts');
for (let seed = Number(from); seed <= Number(to); seed += 1) {
  const { violations, hash } = await runPlan(planOf(seed));
  const { user, system } = process.cpuUsage();
  const line = { seed, violations, hash, cpuSeconds: (user + system) / 1e6 };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (mutant !== undefined && violations.length > 0) break;
}
planted?.check();
process.exit(0); // what is dead in the simulation waits for ever
