// A sorted list is what sorting a set would give; an ordered map is a map, and its keys in order.
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { OrderedMap } from '../../src/collections/ordered-map.ts';
import { SortedList } from '../../src/collections/sorted-list.ts';

it('SortedList holds what was added and not removed, in order', () => {
  const change = fc.tuple(fc.boolean(), fc.nat(2000));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 3000, size: 'max' }), (changes) => {
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
    }),
    { numRuns: 60 },
  );
});

it('OrderedMap is a map whose keys are walked in order from any point', () => {
  const key = fc.integer({ min: 0, max: 3000 }).map((n) => String(n).padStart(4, '0'));
  const step = fc.record({
    from: key,
    count: fc.integer({ min: 1, max: 400 }),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), key, (steps, start) => {
      const map = new OrderedMap<number>();
      const model = new Map<string, number>();
      for (const { from, count, remove } of steps) {
        for (let n = Number(from); n < Number(from) + count; n += 1) {
          const each = String((n * 7) % 3001).padStart(4, '0');
          if (remove) {
            map.delete(each);
            model.delete(each);
          } else {
            map.set(each, n);
            model.set(each, n);
          }
        }
      }
      const walked: [string, number][] = [];
      map.walk(start, (k, v) => walked.push([k, v]) > 0);
      const expected = [...model].filter(([k]) => k >= start).sort(([a], [b]) => (a < b ? -1 : 1));
      expect(walked).toEqual(expected);
      const values = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
      expect([...map.values()]).toEqual(values);
      expect(map.size).toBe(model.size);
      for (const [k, v] of model) expect(map.get(k)).toBe(v);
    }),
  );
});
