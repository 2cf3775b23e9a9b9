// The seeds of every `npm test`, in groups: in all as many as 60 seconds of CPU bear, and at least 100.
import { describe, expect, it } from 'vitest';
import { planOf } from './plan.ts';
import { runPlan } from './world.ts';

const GROUP = 20;

/** Runs `groups` groups of seeds from `first` on. */
export function simulate(first: number, groups: number): void {
  describe('the simulation', () => {
    it.for(Array.from({ length: groups }, (_, i) => first + i * GROUP))(
      `keeps the promises: ${GROUP} seeds from %i on`,
      async (from) => {
        for (let seed = from; seed < from + GROUP; seed += 1) {
          const { violations } = await runPlan(planOf(seed));
          expect(violations, `npm run sim -- --seed ${seed}`).toEqual([]);
        }
      },
    );
  });
}
