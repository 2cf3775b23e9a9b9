// What a lease does: it ends in time unless renewed, and takes its keys along.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { MakeSubject } from './subject.ts';
import {
  collect,
  expectCode,
  freshPrefix,
  keysBelow,
  never,
  put,
  read,
  sharedSubject,
  write,
} from './subject.ts';

/** seconds; the least that etcd grants with its default election timeout. */
const TTL_SEC = 2;
/** ms; etcd looks for ended leases every 500 ms and ends them through its log. */
const LATE_MAX_MS = 2500;

/** The part of the contract about leases. */
export function describeLease(makeSubject: MakeSubject): void {
  // Together, because each takes some seconds.
  describe.concurrent('lease in time', () => {
    const { kv, second } = sharedSubject(makeSubject);

    it('ends after its ttl, not before, and takes its keys along', async () => {
      const p = freshPrefix();
      const granted = performance.now();
      const lease = await kv().grantLease(TTL_SEC, never);
      const from = await write(kv(), put(`${p}a`, '', lease), put(`${p}b`, '', lease));
      const batches = await collect(second(), { prefix: p, from }, (seen) => seen.length === 2);
      const lived = performance.now() - granted;
      expect(batches[1]!.events.map((event) => event.kind)).toEqual(['delete', 'delete']);
      expect(lived).toBeGreaterThan(TTL_SEC * 1000 - 50);
      expect(lived).toBeLessThan(TTL_SEC * 1000 + LATE_MAX_MS);
      expect(await keysBelow(kv(), p)).toEqual([]);
      await expectCode(kv().renewLease(lease, never), 'STORE_LEASE_GONE');
    });

    it('lives as long as it is renewed', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(TTL_SEC, never);
      await write(kv(), put(`${p}a`, '', lease));
      const until = performance.now() + 2.5 * TTL_SEC * 1000 + 1000;
      while (performance.now() < until) {
        expect(await kv().renewLease(lease, never)).toMatchObject({ leftSec: TTL_SEC });
        await delay((TTL_SEC * 1000) / 3);
      }
      expect(await keysBelow(second(), p)).toEqual(['a']);
      await kv().revokeLease(lease, never);
    });

    it('has less and less left until it is renewed', async () => {
      const lease = await kv().grantLease(3 * TTL_SEC, never);
      expect(await kv().leaseRemaining(lease, never)).toBe(3 * TTL_SEC - 1); // rounded down
      await delay(2_200);
      expect(await second().leaseRemaining(lease, never)).toBe(3 * TTL_SEC - 3);
      await kv().renewLease(lease, never);
      expect(await kv().leaseRemaining(lease, never)).toBe(3 * TTL_SEC - 1);
      await kv().revokeLease(lease, never);
    });

    it('leaves alone a key that was put again without it', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(TTL_SEC, never);
      const from = await write(kv(), put(`${p}kept`, '1', lease), put(`${p}lost`, '1', lease));
      await write(kv(), put(`${p}kept`, '2'));
      await collect(kv(), { prefix: p, from }, (seen) => seen.length === 3);
      expect(await keysBelow(kv(), p)).toEqual(['kept']);
    });
  });

  describe('lease', () => {
    const { kv, second } = sharedSubject(makeSubject);

    it('has a decimal id, and no two have the same', async () => {
      const ids = await Promise.all([60, 60, 60].map((ttl) => kv().grantLease(ttl, never)));
      expect(new Set(ids).size).toBe(3);
      for (const id of ids) expect(id).toMatch(/^[1-9][0-9]*$/);
    });

    it('answers the seconds left when renewed, by any client', async () => {
      const lease = await kv().grantLease(60, never);
      expect(await second().renewLease(lease, never)).toMatchObject({ leftSec: 60 });
    });

    it('tells with a renewal how far the store has come', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(60, never);
      const before = await write(kv(), put(`${p}a`, '', lease));
      const { revision } = await kv().renewLease(lease, never);
      const after = await write(kv(), put(`${p}a`, '2'));
      expect(revision).toBeGreaterThanOrEqual(before);
      expect(revision).toBeLessThan(after);
    });

    it('deletes its keys in one revision when revoked; a second revoke is no error', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(60, never);
      const revision = await write(
        kv(),
        put(`${p}a`, '', lease),
        put(`${p}b`, '', lease),
        put(`${p}c`),
      );
      await kv().revokeLease(lease, never);
      const after = await kv().range(p, {}, never);
      expect(after.kvs.map((x) => x.key.slice(p.length))).toEqual(['c']);
      expect(after.revision).toBe(revision + 1n);
      await kv().revokeLease(lease, never);
      expect((await kv().range(p, {}, never)).revision).toBe(revision + 1n);
    });

    it('that has no keys ends without a revision', async () => {
      const before = await write(kv(), put(freshPrefix()));
      const lease = await kv().grantLease(60, never);
      await kv().revokeLease(lease, never);
      expect((await kv().range(freshPrefix(), {}, never)).revision).toBe(before);
    });

    it('that was revoked, or never granted, is STORE_LEASE_GONE when renewed', async () => {
      const lease = await kv().grantLease(60, never);
      await kv().revokeLease(lease, never);
      await expectCode(kv().renewLease(lease, never), 'STORE_LEASE_GONE');
      await expectCode(kv().renewLease('123456789', never), 'STORE_LEASE_GONE');
    });

    it('that was revoked, or never granted, is STORE_LEASE_GONE when asked what it has left', async () => {
      const lease = await kv().grantLease(60, never);
      await kv().revokeLease(lease, never);
      await expectCode(kv().leaseRemaining(lease, never), 'STORE_LEASE_GONE');
      await expectCode(kv().leaseRemaining('123456789', never), 'STORE_LEASE_GONE');
    });

    it('is told with each of its keys, by every way of reading', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(60, never);
      const from = await write(kv(), put(`${p}held`, '', lease), put(`${p}free`));
      const { kvs } = await second().range(p, {}, never);
      expect(kvs.map((one) => one.lease)).toEqual([undefined, lease]);
      expect((await read(second(), `${p}held`))?.lease).toBe(lease);
      const [batch] = await collect(kv(), { prefix: p, from }, (seen) => seen.length === 1);
      const leases = batch!.events.map((event) => event.kind === 'put' && event.kv.lease);
      expect(leases).toEqual([lease, undefined]);
      await write(kv(), put(`${p}held`));
      expect(await read(kv(), `${p}held`)).not.toHaveProperty('lease');
    });

    it('that is unknown fails the whole txn with STORE_LEASE_GONE', async () => {
      const p = freshPrefix();
      const before = await write(kv(), put(`${p}a`, '1'));
      await expectCode(
        kv().txn({ then: [put(`${p}a`, '2'), put(`${p}b`, '2', '123456789')] }, never),
        'STORE_LEASE_GONE',
      );
      expect((await read(kv(), `${p}a`))?.value).toBe('1');
      expect((await kv().range(p, {}, never)).revision).toBe(before);
    });

    it('that is unknown matters only in the branch that runs', async () => {
      const p = freshPrefix();
      const { succeeded } = await kv().txn(
        { then: [put(`${p}a`)], else: [put(`${p}b`, '', '123456789')] },
        never,
      );
      expect(succeeded).toBe(true);
    });

    it('holds a key only until that is put without it or with another', async () => {
      const p = freshPrefix();
      const [first, other] = [await kv().grantLease(60, never), await kv().grantLease(60, never)];
      await write(kv(), ...['free', 'moved', 'held'].map((key) => put(p + key, '', first)));
      await write(kv(), put(`${p}free`), put(`${p}moved`, '', other));
      await kv().revokeLease(first, never);
      expect(await keysBelow(kv(), p)).toEqual(['free', 'moved']);
      await kv().revokeLease(other, never);
      expect(await keysBelow(kv(), p)).toEqual(['free']);
    });

    it('lets go of a key that was deleted and made again', async () => {
      const p = freshPrefix();
      const lease = await kv().grantLease(60, never);
      await write(kv(), put(`${p}a`, '', lease));
      await write(kv(), { kind: 'delete', key: `${p}a` });
      await write(kv(), put(`${p}a`));
      await kv().revokeLease(lease, never);
      expect(await keysBelow(kv(), p)).toEqual(['a']);
    });
  });
}
