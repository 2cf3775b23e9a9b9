import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { planHost } from '../../src/reconcile/host-plan.ts';
import type { HostPicture } from '../../src/reconcile/host-picture.ts';
import { after, picture, type HostWords, type TargetWords } from '../support/host-picture.ts';

const names = ['a.service', 'b.socket', 'c.timer', 'd@1.service'];
const version = fc.constantFrom('A', 'A#2', 'B');
const generation = fc.integer({ min: 1, max: 4 });
const targetWords = fc
  .tuple(fc.constantFrom('inactive', 'loaded', 'launched'), generation, version)
  .map((parts) => parts.join(' ') as TargetWords);
const doneWords = fc
  .tuple(
    fc.constantFrom('loaded', 'launched'),
    generation,
    version,
    fc.constantFrom('', 'unstarted', 'stopped', 'held=1'),
  )
  .map((parts) => parts.join(' ').trim());
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.dictionary(fc.constantFrom(...names), value);
const anyPicture: fc.Arbitrary<HostPicture> = fc
  .record({
    keep: some(targetWords),
    release: some(fc.constantFrom('assigned', 'global', 'not-allowed')),
    leave: fc.subarray(names),
    unreadable: fc.subarray(names),
    done: some(doneWords),
    elsewhere: some(fc.constant('/etc/systemd/system/x')),
    unreadableTexts: fc.subarray(names),
    fresh: fc.boolean(),
  })
  .map((words) => picture(words as HostWords));

it('planHost reaches a fixed point within five passes', () => {
  fc.assert(
    fc.property(anyPicture, (start) => {
      let now = start;
      for (let pass = 0; pass < 5; pass++) now = after(now, planHost(now));
      expect(planHost(now).actions).toEqual([]);
      expect(planHost(now).ask).toEqual({ names: [], texts: [] });
    }),
    { numRuns: 2000 },
  );
});

it('planHost never touches a name that no key speaks of, or whose key cannot be read', () => {
  fc.assert(
    fc.property(anyPicture, (now) => {
      for (const action of planHost(now).actions) {
        if (action.kind === 'reload') continue;
        expect(now.wanted.has(action.unit)).toBe(true);
        expect(now.unreadable.has(action.unit)).toBe(false);
      }
    }),
  );
});

it('planHost stops only on a mark, a lowered desired state or a swap', () => {
  fc.assert(
    fc.property(anyPicture, (now) => {
      for (const action of planHost(now).actions) {
        if (action.kind !== 'stop') continue;
        const wanted = now.wanted.get(action.unit)!;
        const done = now.carriedOut.get(action.unit)!;
        const differs =
          wanted.kind === 'keep' &&
          (wanted.target.hash !== done.hash || wanted.target.desiredState !== done.desiredState);
        expect(wanted.kind === 'release' || differs).toBe(true);
      }
    }),
  );
});

it('planHost never starts a generation twice', () => {
  fc.assert(
    fc.property(anyPicture, (start) => {
      const started = new Set<string>();
      let now = start;
      for (let pass = 0; pass < 6; pass++) {
        const plan = planHost(now);
        for (const action of plan.actions) {
          if (action.kind !== 'start') continue;
          const key = `${action.unit} ${action.generation}`;
          expect(started.has(key)).toBe(false);
          started.add(key);
        }
        now = after(now, plan);
      }
    }),
  );
});

it('planHost answers the same plan for the same picture', () => {
  fc.assert(
    fc.property(anyPicture, (now) => {
      expect(planHost(now)).toEqual(planHost(now));
    }),
  );
});
