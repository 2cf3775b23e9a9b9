// Cuts a plan that fails down to what it needs to fail: fewer events, then fewer machines.
// Invariant: what it answers fails in the same way as what it was given.
import type { Plan } from './plan.ts';
import { runPlan } from './world.ts';

/** Runs until nothing more can be left out, or `runsMax` runs are used up. */
export async function shrink(plan: Plan, runsMax: number): Promise<Plan> {
  const violation = await violationOf(plan);
  if (violation === undefined) throw new Error('a plan that does not fail cannot be cut down');
  let runs = 0;
  const stillFails = async (smaller: Plan): Promise<boolean> => {
    runs += 1;
    return runs <= runsMax && (await violationOf(smaller)) === violation;
  };
  let best = plan;
  // Delta debugging: ever smaller pieces are left out.
  let size = Math.ceil(plan.events.length / 2);
  while (size >= 1) {
    let isSmaller = false;
    for (let from = 0; from < best.events.length;) {
      const events = [...best.events.slice(0, from), ...best.events.slice(from + size)];
      const smaller = { ...best, events };
      if (await stillFails(smaller)) {
        best = smaller;
        isSmaller = true;
      } else from += size;
    }
    if (runs > runsMax || (!isSmaller && size === 1)) break;
    if (!isSmaller || size > best.events.length) size = Math.ceil(size / 2);
  }
  for (const machine of plan.machines) {
    const machines = best.machines.filter((each) => each !== machine);
    if (machines.length > 0 && (await stillFails({ ...best, machines })))
      best = { ...best, machines };
  }
  return best;
}

/** Its first violation without what differs from run to run of the same fault. */
async function violationOf(plan: Plan): Promise<string | undefined> {
  const { violations } = await runPlan(plan);
  return violations[0]?.replaceAll(/\d+/g, 'N').slice(0, 80);
}
