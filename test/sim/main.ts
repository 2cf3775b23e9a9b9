import { planOf } from './plan.ts';
import { runPlan } from './world.ts';
const [from = '1', to = from] = process.argv.slice(2);
let bad = 0;
const began = process.cpuUsage();
for (let seed = Number(from); seed <= Number(to); seed += 1) {
  const plan = planOf(seed);
  const one = from === to;
  const t = performance.now();
  const outcome = await runPlan(plan, { tell: one });
  if (one) console.log(outcome.story.join('\n'));
  if (outcome.violations.length > 0) {
    bad += 1;
    console.log(seed, outcome.violations[0]?.slice(0, 220));
  }
  if (one)
    console.log(
      outcome.hash,
      outcome.counts,
      performance.now() - t,
      process.memoryUsage().heapUsed / 1e6,
    );
}
const used = process.cpuUsage(began);
console.log('bad', bad, 'cpu', (used.user + used.system) / 1e6);
