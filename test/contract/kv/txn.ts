// What a transaction does: compares, the branch that runs, revisions, limits.
import { describe, expect, it } from 'vitest';
import { TXN_COMPARES_MAX, TXN_MAX_BYTES, TXN_OPERATIONS_MAX } from '../../../src/model/limits.ts';
import type { Compare, Txn } from '../../../src/store/kv.ts';
import type { MakeSubject } from './subject.ts';
import {
  expectCode,
  freshPrefix,
  keysBelow,
  never,
  put,
  read,
  revisionOf,
  sharedSubject,
  write,
} from './subject.ts';

/** The part of the contract about transactions. */
export function describeTxn(makeSubject: MakeSubject): void {
  describe('txn', () => {
    const { kv, second } = sharedSubject(makeSubject);

    describe('compares', () => {
      const rows: readonly {
        name: string;
        holds: boolean;
        compare: (key: string, created: bigint, modified: bigint) => Compare;
      }[] = [
        {
          name: 'mod equals its last write',
          holds: true,
          compare: (key, _, equals) => ({ key, target: 'mod', equals }),
        },
        {
          name: 'mod equals an older write',
          holds: false,
          compare: (key, equals) => ({ key, target: 'mod', equals }),
        },
        {
          name: 'mod of an existing key equals 0',
          holds: false,
          compare: (key) => ({ key, target: 'mod', equals: 0n }),
        },
        {
          name: 'create equals its first write',
          holds: true,
          compare: (key, equals) => ({ key, target: 'create', equals }),
        },
        {
          name: 'create equals a later write',
          holds: false,
          compare: (key, _, equals) => ({ key, target: 'create', equals }),
        },
        {
          name: 'value equals',
          holds: true,
          compare: (key) => ({ key, target: 'value', equals: 'new' }),
        },
        {
          name: 'value differs',
          holds: false,
          compare: (key) => ({ key, target: 'value', equals: 'old' }),
        },
        {
          name: 'mod of a missing key equals 0',
          holds: true,
          compare: (key) => ({ key: `${key}-none`, target: 'mod', equals: 0n }),
        },
        {
          name: 'create of a missing key equals 0',
          holds: true,
          compare: (key) => ({ key: `${key}-none`, target: 'create', equals: 0n }),
        },
        {
          name: 'create of a missing key equals 1',
          holds: false,
          compare: (key) => ({ key: `${key}-none`, target: 'create', equals: 1n }),
        },
        {
          name: 'value of a missing key equals the empty text',
          holds: false,
          compare: (key) => ({ key: `${key}-none`, target: 'value', equals: '' }),
        },
      ];
      it.for(rows)('$name: $holds', async ({ holds, compare }) => {
        const key = `${freshPrefix()}a`;
        const created = await write(kv(), put(key, 'old'));
        const modified = await write(kv(), put(key, 'new'));
        const { succeeded } = await kv().txn(
          { compares: [compare(key, created, modified)], then: [] },
          never,
        );
        expect(succeeded).toBe(holds);
      });

      it('succeeds only when every compare holds', async () => {
        const p = freshPrefix();
        const missing = (key: string): Compare => ({ key: p + key, target: 'create', equals: 0n });
        await write(kv(), put(`${p}there`));
        const both = await kv().txn(
          { compares: [missing('a'), missing('b')], then: [put(`${p}x`)] },
          never,
        );
        const one = await kv().txn(
          { compares: [missing('a'), missing('there')], then: [put(`${p}y`)] },
          never,
        );
        expect([both.succeeded, one.succeeded]).toEqual([true, false]);
        expect(await keysBelow(kv(), p)).toEqual(['there', 'x']);
      });
    });

    it('answers what the gets of the branch that ran found, one entry an operation', async () => {
      const p = freshPrefix();
      const revision = await write(kv(), put(`${p}a`, '1'));
      const a = { key: `${p}a`, value: '1', createRevision: revision, modRevision: revision };
      const get = (key: string) => ({ kind: 'get', key: p + key }) as const;
      const txn: Txn = {
        compares: [{ key: `${p}a`, target: 'value', equals: '1' }],
        then: [get('a'), put(`${p}b`), get('none'), { kind: 'delete', key: `${p}none` }],
        else: [get('none'), get('a')],
      };
      expect(await kv().txn(txn, never)).toEqual({
        succeeded: true,
        revision: revision + 1n,
        gets: [a, undefined, undefined, undefined],
      });
      const lost = { ...txn, compares: [{ key: `${p}a`, target: 'value', equals: '2' }] } as const;
      expect(await kv().txn(lost, never)).toEqual({
        succeeded: false,
        revision: revision + 1n,
        gets: [undefined, a],
      });
    });

    it('runs the writes of the else branch when a compare is lost', async () => {
      const p = freshPrefix();
      const before = await revisionOf(kv());
      const result = await kv().txn(
        {
          compares: [{ key: `${p}a`, target: 'mod', equals: 1n }],
          then: [put(`${p}then`)],
          else: [put(`${p}else`)],
        },
        never,
      );
      expect(result).toEqual({ succeeded: false, revision: before + 1n, gets: [undefined] });
      expect(await keysBelow(kv(), p)).toEqual(['else']);
    });

    it('shows a get what the same txn has put before it', async () => {
      const key = `${freshPrefix()}a`;
      const result = await kv().txn({ then: [put(key, 'mine'), { kind: 'get', key }] }, never);
      expect(result.gets[1]).toEqual({
        key,
        value: 'mine',
        createRevision: result.revision,
        modRevision: result.revision,
      });
    });

    it('gives all writes of a txn one revision, and the next txn the next', async () => {
      const p = freshPrefix();
      await write(kv(), put(`${p}gone`));
      const before = await revisionOf(kv());
      const revision = await write(kv(), put(`${p}a`), put(`${p}b`), {
        kind: 'delete',
        key: `${p}gone`,
      });
      expect(revision).toBe(before + 1n);
      expect((await read(kv(), `${p}a`))?.modRevision).toBe(revision);
      expect((await read(kv(), `${p}b`))?.modRevision).toBe(revision);
      expect(await write(kv(), put(`${p}c`))).toBe(revision + 1n);
    });

    it.for<{ name: string; txn: (p: string) => Txn }>([
      { name: 'is empty', txn: () => ({ then: [] }) },
      { name: 'only gets', txn: (p) => ({ then: [{ kind: 'get', key: `${p}a` }] }) },
      {
        name: 'deletes a missing key',
        txn: (p) => ({ then: [{ kind: 'delete', key: `${p}none` }] }),
      },
      {
        name: 'loses its compare',
        txn: (p) => ({
          compares: [{ key: `${p}a`, target: 'mod', equals: 0n }],
          then: [put(`${p}b`)],
        }),
      },
    ])('does not grow the revision when it $name', async ({ txn }) => {
      const p = freshPrefix();
      const before = await write(kv(), put(`${p}a`));
      expect((await kv().txn(txn(p), never)).revision).toBe(before);
      expect(await revisionOf(kv())).toBe(before);
    });

    it('keeps createRevision over updates, and begins anew after a delete', async () => {
      const key = `${freshPrefix()}a`;
      const created = await write(kv(), put(key));
      const updated = await write(kv(), put(key));
      expect(await read(kv(), key)).toMatchObject({
        createRevision: created,
        modRevision: updated,
      });
      await write(kv(), { kind: 'delete', key });
      expect(await read(kv(), key)).toBeUndefined();
      const again = await write(kv(), put(key));
      expect(await read(kv(), key)).toMatchObject({ createRevision: again, modRevision: again });
    });

    it('grows the revision when it puts the value that is there already', async () => {
      const key = `${freshPrefix()}a`;
      const first = await write(kv(), put(key, 'same'));
      expect(await write(kv(), put(key, 'same'))).toBe(first + 1n);
    });

    it.for(['', ' ', 'line\nline\r\n', 'nul\0nul', 'ÿ\u{10ffff}😀\uffff', '{"a":1}'])(
      'gives back the value %j unchanged',
      async (value) => {
        const key = `${freshPrefix()}a`;
        await write(kv(), put(key, value));
        expect((await read(kv(), key))?.value).toBe(value);
      },
    );

    it('lets exactly one of two writers win each compare', async () => {
      const key = `${freshPrefix()}counter`;
      await write(kv(), put(key, '0'));
      const increment = async (client: typeof kv): Promise<void> => {
        for (;;) {
          const found = (await read(client(), key))!;
          const { succeeded } = await client().txn(
            {
              compares: [{ key, target: 'mod', equals: found.modRevision }],
              then: [put(key, String(Number(found.value) + 1))],
            },
            never,
          );
          if (succeeded) return;
        }
      };
      await Promise.all(Array.from({ length: 40 }, (_, n) => increment(n % 2 === 0 ? kv : second)));
      expect((await read(kv(), key))?.value).toBe('40');
    });

    describe('limits', () => {
      const puts = (p: string, count: number) =>
        Array.from({ length: count }, (_, n) => put(`${p}${n}`));
      const compares = (p: string, count: number): Compare[] =>
        Array.from({ length: count }, (_, n) => ({
          key: `${p}none${n}`,
          target: 'mod',
          equals: 0n,
        }));
      const some = 'x'.repeat(TXN_MAX_BYTES / 8);

      it('takes as much as the limits allow', async () => {
        const p = freshPrefix();
        const { succeeded } = await kv().txn(
          {
            compares: compares(p, TXN_COMPARES_MAX),
            then: puts(p, TXN_OPERATIONS_MAX),
            else: puts(p, TXN_OPERATIONS_MAX),
          },
          never,
        );
        expect(succeeded).toBe(true);
        await write(kv(), put(`${p}large`, 'x'.repeat(TXN_MAX_BYTES - 1024)));
        expect((await read(kv(), `${p}large`))?.value.length).toBe(TXN_MAX_BYTES - 1024);
      });

      it.for<{ name: string; txn: (p: string) => Txn }>([
        {
          name: 'too many operations',
          txn: (p) => ({ then: puts(p, TXN_OPERATIONS_MAX + 1) }),
        },
        {
          name: 'too many operations in the else branch',
          txn: (p) => ({ then: [put(`${p}a`)], else: puts(p, TXN_OPERATIONS_MAX + 1) }),
        },
        {
          name: 'too many compares',
          txn: (p) => ({ compares: compares(p, TXN_COMPARES_MAX + 1), then: [put(`${p}a`)] }),
        },
        {
          name: 'too many bytes in one value',
          txn: (p) => ({ then: [put(`${p}a`, 'x'.repeat(TXN_MAX_BYTES + 1))] }),
        },
        {
          name: 'too many bytes in all, of characters that take two',
          txn: (p) => ({
            then: Array.from({ length: 5 }, (_, n) => put(`${p}${n}`, 'é'.repeat(some.length))),
          }),
        },
        { name: 'an empty key', txn: () => ({ then: [put('')] }) },
        {
          name: 'a put and a delete of one key',
          txn: (p) => ({ then: [put(`${p}a`), { kind: 'delete', key: `${p}a` }] }),
        },
        {
          name: 'a delete and a put of one key',
          txn: (p) => ({ then: [{ kind: 'delete', key: `${p}a` }, put(`${p}a`)] }),
        },
        {
          name: 'two puts of one key',
          txn: (p) => ({ then: [put(`${p}a`, '1'), put(`${p}a`, '2')] }),
        },
        {
          name: 'two puts of one key in the branch that does not run',
          txn: (p) => ({ then: [put(`${p}b`)], else: [put(`${p}a`, '1'), put(`${p}a`, '2')] }),
        },
      ])('refuses $name with STORE_LIMIT and writes nothing', async ({ txn }) => {
        const p = freshPrefix();
        const before = await revisionOf(kv());
        await expectCode(kv().txn(txn(p), never), 'STORE_LIMIT');
        expect(await revisionOf(kv())).toBe(before);
      });
    });
  });
}
