import { describe, expect, it } from 'vitest';
import type { UnitName } from '../../../src/model/unit.ts';
import { cutOffTimes } from '../../../src/reconcile/host-cut-off.ts';

const unit = (name: string, stopTimeoutMs?: number) => ({
  name: name as UnitName,
  stopTimeoutMs,
});

describe('cutOffTimes', () => {
  it.for([
    {
      name: 'a unit without a bound begins to stop a third of the ttl before',
      ttlMs: 30_000,
      units: [unit('a'), unit('b', 90_000)],
      then: { stops: [{ atMs: 90_000, names: ['a', 'b'] }], killAtMs: 99_000 },
    },
    {
      name: 'one that stops fast runs on until its timeout and the second of the kill are left',
      ttlMs: 30_000,
      units: [unit('slow'), unit('fast', 2_000), unit('b', 2_000)],
      then: {
        stops: [
          { atMs: 90_000, names: ['slow'] },
          { atMs: 97_000, names: ['b', 'fast'] },
        ],
        killAtMs: 99_000,
      },
    },
    {
      name: 'the shortest ttl for use leaves more than two seconds to stop',
      ttlMs: 10_000,
      units: [unit('a')],
      then: { stops: [{ atMs: 100_000 - 10_000 / 3, names: ['a'] }], killAtMs: 99_000 },
    },
    {
      name: 'a ttl for tests has the kill a tenth before',
      ttlMs: 3_000,
      units: [unit('a')],
      then: { stops: [{ atMs: 99_000, names: ['a'] }], killAtMs: 99_700 },
    },
  ])('$name', ({ ttlMs, units, then }) => {
    expect(cutOffTimes({ deadlineMs: 100_000, ttlMs }, units)).toEqual(then);
  });
});
