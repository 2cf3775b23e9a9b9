// Law: the counts by index are those that asking every machine gives, for a unit that none of them takes.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ClusterPicture } from '../../src/scheduler/cluster.ts';
import type { UnitEntry } from '../../src/scheduler/entries.ts';
import { FILTERS, refusalOf } from '../../src/scheduler/filters.ts';
import { pickMachine } from '../../src/scheduler/place.ts';
import { countRefusals } from '../../src/scheduler/refusal-counts.ts';
import type { ShortMachine, UnitWords } from '../support/cluster.ts';
import { cluster, unitName } from '../support/cluster.ts';

const NAMES = ['a', 'b', 'c', 'd', 'g', 'new'].map((name) => `${name}.service`);
const machines = fc.constantFrom<ShortMachine>('m1', 'm2', 'm3', 'm4', 'm5');

/** Any mix of what the indexes narrow by, so that each must leave the right rest to the next. */
const words: fc.Arbitrary<UnitWords> = fc.record(
  {
    id: fc.constantFrom('00000002', `00000003${'0'.repeat(24)}`, 'nobody'),
    metadata: fc.subarray(['role=web', 'role=db', 'disk=ssd', 'role=%H']),
    of: fc.subarray(['b.service', 'c.service', 'g.service', 'missing.service', '%H.service']),
    conflicts: fc.subarray(['*.service', 'a.service', '[bc].service', '%l.service']),
    replaces: fc.subarray(['d.service', '%H.service']),
  },
  { requiredKeys: [] },
);

const metadata = fc.constantFrom<Record<string, string>>(
  {},
  { role: 'web' },
  { role: 'db', disk: 'ssd' },
  { role: 'm3', disk: 'ssd' },
);

function asked(picture: ClusterPicture, unit: UnitEntry): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const machine of picture.candidates.byId()) {
    const kind = refusalOf(FILTERS.take, unit, machine, picture)?.kind;
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

it('countRefusals answers what asking every machine gives', () => {
  const placed = fc.tuple(words, machines, fc.boolean());
  let pending = 0;
  fc.assert(
    fc.property(
      fc.array(metadata, { minLength: 1, maxLength: 5 }),
      fc.tuple(words, fc.array(placed, { minLength: 4, maxLength: 4 })),
      fc.boolean(),
      (facts, [newcomer, others], hasGlobal) => {
        const units = Object.fromEntries(
          others.map(([unit, on, releasing], i) => [NAMES[i], { ...unit, on, releasing }]),
        );
        const picture = cluster({
          machines: Object.fromEntries(facts.map((each, i) => [`m${i + 1}`, { metadata: each }])),
          units: {
            ...units,
            ...(hasGlobal ? { 'g.service': { global: true, conflicts: ['a.service'] } } : {}),
            'new.service': newcomer,
          },
        });
        const unit = picture.unit(unitName('new.service'));
        if (unit === undefined || pickMachine(picture, unit) !== undefined) return;
        pending += 1;
        expect(new Map(countRefusals(picture, unit, FILTERS))).toEqual(asked(picture, unit));
      },
    ),
    { numRuns: 1_000 },
  );
  expect(pending).toBeGreaterThan(200);
});
