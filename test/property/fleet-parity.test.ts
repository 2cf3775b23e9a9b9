// Ours against the rules of fleet 1.0, over any sequence of changes that has one outcome there too: the same places at every rest.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ShortMachine, UnitWords } from '../support/cluster.ts';
import type { Change } from '../support/fleet-parity.ts';
import { destroy, gone, oursPlaces, originalIn, put, up, want } from '../support/fleet-parity.ts';
import type { Order } from '../support/fleet-one.ts';

const MACHINES: readonly ShortMachine[] = ['m1', 'm2', 'm3'];
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

/** As ours: by name. Peers have the lower names here, so they come first. */
const byName: Order = (names) => names.toSorted((a, b) => (a < b ? -1 : 1));

/**
 * Left out is what the tables show as departures or as dependent on the order: Replaces=, new versions that conflict, global units that
 * conflict with each other or that nobody started, and machines that come back.
 */
const words = (name: string): fc.Arbitrary<UnitWords> => {
  const lower = NAMES.filter((other) => other < name);
  return fc.constantFrom<UnitWords>(
    {},
    {},
    { state: 'loaded' },
    { metadata: ['role=web'] },
    { metadata: ['role=web', 'role=db'] },
    { metadata: ['role=web', 'disk=ssd'] },
    { id: '00000002' },
    { conflicts: ['?'] },
    { conflicts: ['[ad] f'] },
    { conflicts: ['g'] },
    ...lower.map((peer) => ({ of: [peer] })),
    { of: ['g'] },
  );
};

const role = fc.constantFrom<Record<string, string>>(
  {},
  { role: 'web' },
  { role: 'db' },
  { role: 'web', disk: 'ssd' },
);
const globalWords = fc.constantFrom<UnitWords>(
  { global: true },
  { global: true, metadata: ['role=web'] },
  { global: true, conflicts: ['[bc].service'] },
);

/** Its units are put once each, in any order; what is at the start stays or goes once. */
const story: fc.Arbitrary<readonly (readonly Change[])[]> = fc
  .tuple(
    fc.array(role, { minLength: 3, maxLength: 3 }),
    fc.shuffledSubarray(NAMES, { minLength: 2 }),
    globalWords,
    fc.array(fc.nat(5), { maxLength: 3 }),
    fc.boolean(),
  )
  .chain(([roles, names, global, stops, loses]) =>
    fc.tuple(...names.map(words)).map((all) => {
      const steps: (readonly Change[])[] = [
        MACHINES.slice(0, 2).map((name, index) => up(name, roles[index] ?? {})),
        [put('g', global)],
        ...names.map((name, index) => [put(name, all[index] ?? {})]),
        [up('m3', roles[2] ?? {})],
      ];
      for (const at of stops) {
        const name = NAMES[at] ?? 'a';
        steps.push([at % 2 === 0 ? destroy(name) : want(name, 'inactive')]);
      }
      if (loses) steps.push([gone('m1')]);
      return steps;
    }),
  );

describe('the engine', () => {
  it('places units where fleet 1.0 does', () => {
    fc.assert(
      fc.property(story, (steps) => {
        for (let length = 1; length <= steps.length; length += 1) {
          const upTo = steps.slice(0, length);
          expect(oursPlaces({ steps: upTo })).toBe(originalIn(byName, upTo));
        }
      }),
      { numRuns: 150 },
    );
  });
});
