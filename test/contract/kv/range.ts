// What a range answers: which keys, in which order, of which revision.
import { describe, expect, it } from 'vitest';
import { RANGE_PAGE_KEYS } from '../../../src/model/limits.ts';
import type { Kv, RangeResult } from '../../../src/store/kv.ts';
import type { MakeSubject } from './subject.ts';
import {
  expectCode,
  freshPrefix,
  keysBelow,
  never,
  put,
  revisionOf,
  sharedSubject,
  write,
} from './subject.ts';

/** The part of the contract about reading. */
export function describeRange(makeSubject: MakeSubject): void {
  describe('range', () => {
    const { kv } = sharedSubject(makeSubject);

    it('answers the keys that begin with the prefix, and no neighbours', async () => {
      const p = freshPrefix();
      await write(kv(), ...['p', 'p.', 'p/', 'p/a', 'p/b', 'p0', 'o', 'q'].map((k) => put(p + k)));
      expect(await keysBelow(kv(), `${p}p/`)).toEqual(['', 'a', 'b']);
      expect(await keysBelow(kv(), `${p}p`)).toEqual(['', '.', '/', '/a', '/b', '0']);
      expect(await keysBelow(kv(), `${p}none/`)).toEqual([]);
    });

    it.for([
      { name: 'U+007F', edge: '\u007f', outside: ['\u007e', '\u0080'] },
      { name: 'U+00FF', edge: 'ÿ', outside: ['þ', 'Ā'] },
      { name: 'U+07FF', edge: '\u07ff', outside: ['\u07fe', '\u0800'] },
      { name: 'U+FFFF', edge: '\uffff', outside: ['\ufffe', '\u{10000}'] },
      { name: 'U+10FFFF', edge: '\u{10ffff}', outside: ['\u{10fffe}', '\uffff'] },
    ])('holds a prefix that ends in $name', async ({ edge, outside }) => {
      const p = freshPrefix();
      const inside = ['', 'x', 'ÿ', '\u{10ffff}'];
      await write(kv(), ...inside.map((k) => put(p + edge + k)), ...outside.map((k) => put(p + k)));
      expect(await keysBelow(kv(), p + edge)).toEqual(inside);
    });

    it('orders keys by their UTF-8 bytes, not by UTF-16 code units', async () => {
      const p = freshPrefix();
      const keys = ['A', 'Z', 'a', '~', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'];
      await write(kv(), ...keys.toReversed().map((k) => put(p + k)));
      expect(await keysBelow(kv(), p)).toEqual(keys);
      const { kvs } = await kv().range(p, { after: `${p}\uffff` }, never);
      expect(kvs.map(({ key }) => key.slice(p.length))).toEqual(['😀', '\u{10ffff}']);
    });

    it('takes the empty prefix for every key', async () => {
      const p = freshPrefix();
      await write(kv(), put(`${p}a`), put(`zz${p}`));
      const keys = await keysBelow(kv(), '');
      expect(keys).toContain(`${p}a`);
      expect(keys).toContain(`zz${p}`);
    });

    it.for([
      { keys: 7, limit: 3, pages: ['0,1,2 more', '3,4,5 more', '6'] },
      { keys: 6, limit: 3, pages: ['0,1,2 more', '3,4,5'] },
      { keys: 2, limit: 3, pages: ['0,1'] },
      { keys: 0, limit: 3, pages: [''] },
    ])('answers $keys keys in pages of $limit', async ({ keys, limit, pages }) => {
      const p = freshPrefix();
      if (keys > 0) await write(kv(), ...Array.from({ length: keys }, (_, n) => put(`${p}${n}`)));
      const read = await readPages(kv(), p, limit);
      expect(
        read.map(
          (page) =>
            page.kvs.map(({ key }) => key.slice(p.length)).join(',') + (page.more ? ' more' : ''),
        ),
      ).toEqual(pages);
    });

    it('starts behind `after`, whether or not that key exists', async () => {
      const p = freshPrefix();
      await write(kv(), put(`${p}a`), put(`${p}c`), put(`${p}c\0`), put(`${p}e`));
      const after = async (key: string) =>
        (await kv().range(p, { after: p + key }, never)).kvs.map((x) => x.key.slice(p.length));
      expect(await after('b')).toEqual(['c', 'c\0', 'e']);
      expect(await after('c')).toEqual(['c\0', 'e']);
      expect(await after('e')).toEqual([]);
      expect(await after('z')).toEqual([]);
    });

    it('answers pages of one revision while others write', async () => {
      const p = freshPrefix();
      await write(kv(), ...Array.from({ length: 9 }, (_, n) => put(`${p}${n}`, 'old')));
      const first = await kv().range(p, { limit: 4 }, never);
      await write(kv(), put(`${p}7`, 'new'), { kind: 'delete', key: `${p}8` }, put(`${p}9`, 'new'));
      const { revision } = first;
      const rest = await kv().range(p, { after: `${p}3`, revision }, never);
      expect(rest.revision).toBe(revision);
      expect(rest.kvs.map((x) => x.key.slice(p.length) + x.value)).toEqual(
        ['4', '5', '6', '7', '8'].map((k) => `${k}old`),
      );
    });

    it('without a limit answers more keys than a page holds; with one, exactly so many', async () => {
      const p = freshPrefix();
      const key = (n: number): string => `${p}${String(n).padStart(5, '0')}`;
      const total = 2 * RANGE_PAGE_KEYS + 100;
      for (let n = 0; n < total; n += 100) {
        await write(kv(), ...Array.from({ length: 100 }, (_, i) => put(key(n + i))));
      }
      const all = await kv().range(p, {}, never);
      expect(all.more).toBe(false);
      expect(all.kvs.map((x) => x.key)).toEqual(Array.from({ length: total }, (_, n) => key(n)));
      const limit = RANGE_PAGE_KEYS + 50;
      const some = await kv().range(p, { limit }, never);
      expect([some.kvs.length, some.more]).toEqual([limit, true]);
    });

    it('reads an old revision as it was', async () => {
      const p = freshPrefix();
      const first = await write(kv(), put(`${p}a`, '1'), put(`${p}b`, '1'));
      const second = await write(kv(), put(`${p}a`, '2'), { kind: 'delete', key: `${p}b` });
      await write(kv(), put(`${p}b`, '3'), put(`${p}c`, '3'));
      const at = async (revision: bigint) => {
        const result = await kv().range(p, { revision }, never);
        expect(result.revision).toBe(revision);
        return result.kvs.map((x) => `${x.key.slice(p.length)}=${x.value}`);
      };
      expect(await at(first - 1n)).toEqual([]);
      expect(await at(first)).toEqual(['a=1', 'b=1']);
      expect(await at(second)).toEqual(['a=2']);
      expect(await at(second + 1n)).toEqual(['a=2', 'b=3', 'c=3']);
    });

    it('counts the keys that begin with a prefix, however many, and no neighbours', async () => {
      const p = freshPrefix();
      expect((await kv().count(p, never)).count).toBe(0);
      let written = await write(kv(), ...['o', 'p', 'q'].map((k) => put(p + k)));
      const many = RANGE_PAGE_KEYS + 5;
      const step = 100;
      for (let first = 0; first < many; first += step) {
        const keys = Array.from({ length: Math.min(step, many - first) }, (_, n) => first + n);
        written = await write(kv(), ...keys.map((n) => put(`${p}p/${n}`)));
      }
      const { count, revision } = await kv().count(`${p}p/`, never);
      expect(count).toBe(many);
      expect(revision).toBeGreaterThanOrEqual(written);
      expect((await kv().count(p, never)).count).toBe(many + 3);
    });

    it('leaves the values empty when asked for keys only', async () => {
      const p = freshPrefix();
      const revision = await write(kv(), put(`${p}a`, 'text'));
      const { kvs } = await kv().range(p, { keysOnly: true }, never);
      expect(kvs).toEqual([
        { key: `${p}a`, value: '', createRevision: revision, modRevision: revision },
      ]);
    });

    it('refuses a compacted revision with STORE_COMPACTED, and reads the compacted one itself', async () => {
      const p = freshPrefix();
      const first = await write(kv(), put(`${p}a`, '1'), put(`${p}b`, '1'));
      const second = await write(kv(), put(`${p}a`, '2'), { kind: 'delete', key: `${p}b` });
      await write(kv(), put(`${p}a`, '3'));
      await kv().compact(second, never);
      await expectCode(kv().range(p, { revision: first }, never), 'STORE_COMPACTED');
      const { kvs } = await kv().range(p, { revision: second }, never);
      expect(kvs.map((x) => x.key.slice(p.length) + x.value)).toEqual(['a2']);
      expect((await kv().range(p, {}, never)).kvs.map((x) => x.value)).toEqual(['3']);
    });

    it('takes a compaction that another client was quicker with for done', async () => {
      const revision = await write(kv(), put(freshPrefix()));
      await kv().compact(revision, never);
      await kv().compact(revision, never);
      await kv().compact(revision - 1n, never);
    });

    it('refuses a revision that is not there yet with STORE_REVERTED', async () => {
      const future = (await revisionOf(kv())) + 1000n;
      await expectCode(kv().range(freshPrefix(), { revision: future }, never), 'STORE_REVERTED');
      await expectCode(kv().compact(future, never), 'STORE_REVERTED');
    });
  });
}

async function readPages(kv: Kv, prefix: string, limit: number): Promise<RangeResult[]> {
  const pages: RangeResult[] = [];
  for (;;) {
    const last = pages.at(-1);
    const page = await kv.range(
      prefix,
      last === undefined
        ? { limit }
        : { limit, revision: last.revision, after: last.kvs.at(-1)!.key },
      never,
    );
    pages.push(page);
    expect(page.revision).toBe(pages[0]!.revision);
    if (!page.more) return pages;
  }
}
