import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { byteOrder } from '../../../src/store/embedded/byte-order.ts';
import type { Write } from '../../../src/store/embedded/mvcc.ts';
import { Mvcc } from '../../../src/store/embedded/mvcc.ts';
import type { KeyValue } from '../../../src/store/kv.ts';
import { codePoint } from '../../support/code-points.ts';

it('byteOrder sorts as the bytes of UTF-8 do, and keeps prefixes', () => {
  const text = fc.string({ unit: codePoint, maxLength: 6 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      const bytes = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const ours = byteOrder(a) < byteOrder(b) ? -1 : byteOrder(a) > byteOrder(b) ? 1 : 0;
      expect(ours).toBe(bytes);
      expect(byteOrder(a + b).startsWith(byteOrder(a))).toBe(true);
    }),
  );
});

const keys = ['a', 'a/1', 'a/2', 'b', 'é', '😀'];
const write = fc.record({
  key: fc.constantFrom(...keys),
  value: fc.option(fc.string({ maxLength: 2 }), { nil: undefined }),
});
/** Some writes at once, or a compaction of so much of the history. */
const action = fc.oneof(
  { weight: 5, arbitrary: fc.uniqueArray(write, { selector: ({ key }) => key, minLength: 1 }) },
  { weight: 1, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
);

it('Mvcc reads every kept revision as a list of whole copies does, also after a restart from what it kept', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      let mvcc = new Mvcc();
      const copies: Map<string, KeyValue>[] = [new Map(), new Map()]; // by revision
      const rows = new Map<number, Write>();
      for (const each of actions) {
        if (typeof each === 'number') {
          const revision = Math.floor(each * mvcc.revision);
          if (revision > mvcc.compacted)
            for (const { sequence } of mvcc.compact(revision)) rows.delete(sequence);
        } else {
          const outcome = mvcc.run(
            {
              then: each.map(({ key, value }) =>
                value === undefined ? { kind: 'delete', key } : { kind: 'put', key, value },
              ),
            },
            () => true,
          );
          for (const row of outcome.writes) rows.set(row.sequence, row);
          if (outcome.writes.length > 0) copies.push(after(copies.at(-1)!, outcome.writes));
        }
        expectSame(mvcc, copies);
      }
      mvcc = new Mvcc({ writes: rows.values(), compacted: mvcc.compacted });
      expectSame(mvcc, copies);
    }),
  );
});

function after(copy: Map<string, KeyValue>, writes: readonly Write[]): Map<string, KeyValue> {
  const next = new Map(copy);
  for (const { key, kv } of writes) {
    if (kv === undefined) next.delete(key);
    else next.set(key, kv);
  }
  return next;
}

function expectSame(mvcc: Mvcc, copies: readonly Map<string, KeyValue>[]): void {
  expect(mvcc.revision).toBe(copies.length - 1);
  for (let revision = Math.max(1, mvcc.compacted); revision < copies.length; revision += 1) {
    const copy = copies[revision]!;
    const { kvs } = mvcc.page('', revision, {});
    expect(kvs).toEqual(
      [...copy.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))),
    );
    // What the history says of a revision leads from the copy before it to this one.
    if (revision > Math.max(1, mvcc.compacted))
      expect(after(copies[revision - 1]!, mvcc.writesOf(revision))).toEqual(copy);
  }
}
