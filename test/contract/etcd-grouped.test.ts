// Transactions that share requests, on real etcd: held to the contract of Kv one by one, and to what each would have done alone, many at once.
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TXN_GROUP_MAX } from '../../src/model/limits.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEtcdStore, type EtcdStoreOptions } from '../../src/store/etcd/open.ts';
import type { Kv, Operation, RangeResult, Txn } from '../../src/store/kv.ts';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { describeKvContract } from './kv-contract.ts';
import {
  expectCode,
  freshPrefix,
  keysBelow,
  never,
  put,
  read,
  twoClients,
  write,
} from './kv/subject.ts';

let etcd: EtcdCluster;

describe.skipIf(etcdMissing !== undefined)(`grouped etcd ${etcdMissing ?? ''}`, () => {
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  describeKvContract('etcd, grouped', async () => twoClients(await open(), await open()));

  describe('many at once', () => {
    let kv: Kv;
    beforeAll(async () => {
      kv = await open();
    });
    afterAll(() => kv.close());

    it('sends 500 creations in a few requests', async () => {
      const p = freshPrefix();
      const before = await requests(etcd);
      const results = await Promise.all(
        Array.from({ length: 500 }, (_, i) => kv.txn(creation(p, i), never)),
      );
      const sent = (await requests(etcd)) - before;
      expect(results.every(({ succeeded }) => succeeded)).toBe(true);
      expect(await keysBelow(kv, `${p}unit/`)).toHaveLength(500);
      expect(sent).toBe(Math.ceil(500 / TXN_GROUP_MAX));
    });

    it('sends what is asked in one turn in one request, also when what is asked before is answered in it', async () => {
      const p = freshPrefix();
      const before = await requests(etcd);
      await Promise.all(
        Array.from({ length: 20 }, async (_, i) => {
          await kv.txn({ then: [{ kind: 'get', key: `${p}unit/${i}` }] }, never);
          await kv.txn(creation(p, i), never);
        }),
      );
      expect((await requests(etcd)) - before).toBe(2);
    });

    it('lets one lose without the others, and tells it what it found', async () => {
      const p = freshPrefix();
      await write(kv, put(`${p}unit/7`, 'mine'));
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => kv.txn(creation(p, i), never)),
      );
      expect(results.map(({ succeeded }) => succeeded).indexOf(false)).toBe(7);
      expect(results.filter(({ succeeded }) => !succeeded)).toHaveLength(1);
      expect(results[7]?.gets[0]?.value).toBe('mine');
      expect(results[8]?.gets).toEqual([undefined, undefined]);
      expect((await read(kv, `${p}unit/8`))?.modRevision).toBe(results[8]?.revision);
      expect((await read(kv, `${p}unit/7`))?.value).toBe('mine');
    });

    it('of two that exclude each other lets one win', async () => {
      for (let round = 0; round < 20; round += 1) {
        const p = freshPrefix();
        const one = (mine: string, other: string): Txn => ({
          compares: [mine, other].map((key) => ({ key: p + key, target: 'mod', equals: 0n })),
          then: [put(p + mine)],
        });
        const [, a, b] = await Promise.all([
          kv.txn({ then: [put(`${p}c`)] }, never),
          kv.txn(one('a', 'b'), never),
          kv.txn(one('b', 'a'), never),
        ]);
        expect([a, b].filter(({ succeeded }) => succeeded)).toHaveLength(1);
      }
    });

    it('fails none for the lease of another', async () => {
      const p = freshPrefix();
      const fine = Array.from({ length: 10 }, (_, i) => kv.txn({ then: [put(`${p}${i}`)] }, never));
      const gone = kv.txn({ then: [put(`${p}gone`, '', '4711')] }, never);
      await expectCode(gone, 'STORE_LEASE_GONE');
      await Promise.all(fine);
      expect(await keysBelow(kv, p)).toHaveLength(10);
    });

    it('lets one that is aborted go, and carries out the others', async () => {
      const p = freshPrefix();
      const scope = new AbortController();
      const all = Array.from({ length: 9 }, (_, i) =>
        kv.txn({ then: [put(`${p}${i}`)] }, i === 5 ? scope.signal : never),
      );
      scope.abort(new Error('gone home'));
      const ends = await Promise.allSettled(all);
      expect(ends.map(({ status }) => status).indexOf('rejected')).toBe(5);
      expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(1);
      expect(await keysBelow(kv, p)).toHaveLength(8);
    });

    it('reads the same keys for all who ask meanwhile once more, and for each what was there when it asked', async () => {
      const p = freshPrefix();
      await write(kv, put(`${p}1`));
      const before = await requests(etcd, 'Range');
      const first = Array.from({ length: 50 }, () => kv.range(p, { keysOnly: true }, never));
      const other = kv.range(p, { limit: 1 }, never);
      await write(kv, put(`${p}2`));
      const behind = Array.from({ length: 50 }, () => kv.range(p, { keysOnly: true }, never));
      const found = await Promise.all(behind);
      expect(new Set(found.map(({ kvs }) => kvs.length))).toEqual(new Set([2]));
      expect((await other).kvs).toHaveLength(1);
      await Promise.all(first);
      const sent = (await requests(etcd, 'Range')) - before;
      expect(sent).toBeGreaterThan(2);
      expect(sent).toBeLessThan(7);
    });

    it('lets one range that is aborted go, ends one that nobody waits for, and reads on', async () => {
      const p = freshPrefix();
      await write(kv, put(`${p}1`));
      const scope = new AbortController();
      const range = (signal: AbortSignal): Promise<RangeResult> => kv.range(p, {}, signal);
      const alone = range(scope.signal);
      const joined = [range(scope.signal), range(scope.signal)];
      scope.abort(new Error('gone home'));
      const latest = [range(never), range(never)];
      const ends = await Promise.allSettled([alone, ...joined]);
      expect(ends.map(({ status }) => status)).toEqual(ends.map(() => 'rejected'));
      for (const { kvs } of await Promise.all(latest)) expect(kvs).toHaveLength(1);
      await expectCode(kv.range(p, { revision: 2n ** 40n }, never), 'STORE_REVERTED');
      expect((await range(never)).kvs).toHaveLength(1);
    });

    it('lets one of all that want a key have it, and shows it to the others (property)', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(wish, { minLength: 3, maxLength: 40 }), async (wishes) => {
          const p = freshPrefix();
          const results = await Promise.all(
            wishes.map((one, i) => kv.txn(wanting(p, one, i), never)),
          );
          for (const key of new Set(wishes.map((one) => one.key))) {
            const winners = [...wishes.keys()].filter(
              (i) => wishes[i]?.key === key && results[i]?.succeeded,
            );
            expect(winners, key).toHaveLength(1);
            const [winner] = winners;
            const seen = wishes.flatMap((one, i) => (one.key === key ? [i] : []));
            for (const i of seen) expect(results[i]?.gets.at(-1)?.value, key).toBe(String(winner));
            expect(await read(kv, `${p}file/${wishes[winner!]?.file}`)).toBeDefined();
          }
        }),
        { numRuns: 50 },
      );
    });
  });
});

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;

interface Wish {
  readonly key: string;
  readonly looksAt: string;
  readonly file: string;
}

const wish: fc.Arbitrary<Wish> = fc.record({
  key: fc.constantFrom(...KEYS),
  looksAt: fc.constantFrom(...KEYS),
  file: fc.constantFrom('1', '2', '3'),
});

/** Puts its key if nobody has, with a file that others put too; else reads it. */
function wanting(p: string, { key, looksAt, file }: Wish, i: number): Txn {
  const look: Operation = { kind: 'get', key: p + looksAt };
  const result: Operation = { kind: 'get', key: p + key };
  return {
    compares: [{ key: p + key, target: 'create', equals: 0n }],
    then: [
      { kind: 'put', key: `${p}file/${file}`, value: file, shared: true },
      look,
      put(p + key, String(i)),
      result,
    ],
    else: [look, result],
  };
}

/** A unit that is new: the same text for all. */
function creation(p: string, i: number): Txn {
  const keys = [`${p}unit/${i}`, `${p}placed/${i}`, `${p}global/${i}`];
  return {
    compares: keys.map((key) => ({ key, target: 'mod', equals: 0n })),
    then: [{ kind: 'put', key: `${p}file/1`, value: 'text', shared: true }, put(keys[0] ?? '')],
    else: keys.map((key): Operation => ({ kind: 'get', key })),
  };
}

async function open(): Promise<Kv> {
  const options: EtcdStoreOptions = {
    endpoints: etcd.endpoints,
    requestTimeoutMs: 2000,
    clock: systemClock,
    random: Math.random,
  };
  return (await openEtcdStore(options)).grouped();
}

/** Requests of a kind that etcd was sent, by its own count. */
async function requests({ endpoints }: EtcdCluster, kind = 'Txn'): Promise<number> {
  const text = await (await fetch(`${endpoints[0]}/metrics`)).text();
  const line = new RegExp(
    `^grpc_server_started_total\\{.*grpc_method="${kind}".*\\} (\\d+)$`,
    'm',
  ).exec(text);
  return Number(line?.[1] ?? 0);
}
