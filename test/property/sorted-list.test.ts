// A sorted list is what sorting a set would give.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { SortedList } from '../../src/scheduler/sorted-list.ts';

it('SortedList holds what was added and not removed, in order, from any start', () => {
  const change = fc.tuple(fc.boolean(), fc.nat(2000));
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 3000, size: 'max' }),
      fc.nat(2000),
      (changes, start) => {
        const list = new SortedList<number>((a, b) => a - b);
        const set = new Set<number>();
        for (const [adds, value] of changes) {
          const had = set.has(value);
          expect(adds ? list.add(value) : list.delete(value)).toBe(adds ? !had : had);
          if (adds) set.add(value);
          else set.delete(value);
        }
        const expected = [...set].sort((a, b) => a - b);
        expect([...list]).toEqual(expected);
        expect(list.size).toBe(set.size);
        expect([...list.from(start)]).toEqual(expected.filter((value) => value >= start));
      },
    ),
    { numRuns: 60 },
  );
});
