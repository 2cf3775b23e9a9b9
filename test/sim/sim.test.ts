import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutants } from './mutants.ts';
import { mutated } from './plant.ts';
import { planOf } from './plan.ts';
import { keptPlan, keptPlans } from './kept-plans.ts';
import { runPlan } from './world.ts';

describe('the simulation', () => {
  it('runs the same way twice, and another way with another seed', async () => {
    const [first, again, other] = [
      await runPlan(planOf(7)),
      await runPlan(planOf(7), { tell: true }),
      await runPlan(planOf(8)),
    ];
    expect(again.hash).toBe(first.hash);
    expect(again.counts).toEqual(first.counts);
    expect(other.hash).not.toBe(first.hash);
  });

  it.for(keptPlans)('keeps the promises in plan %s: once %s', async ([name]) => {
    expect((await runPlan(keptPlan(name))).violations).toEqual([]);
  });
});

describe('the planted faults', () => {
  it.for(mutants)('$name is still a piece of the code', (mutant) => {
    const text = readFileSync(new URL(`../../${mutant.file}`, import.meta.url), 'utf8');
    expect(mutated(mutant, text)).not.toBe(text);
  });
});
