// Which revision of the store was known when, on our own clock.
import { describe, expect, it } from 'vitest';
import { SeenRevisions } from '../../../src/store/seen-revisions.ts';

function noted(...notes: readonly (readonly [atMs: number, revision: bigint])[]): SeenRevisions {
  const seen = new SeenRevisions();
  for (const [atMs, revision] of notes) seen.note(atMs, revision);
  return seen;
}

describe('SeenRevisions', () => {
  it.for([
    { name: 'knows nothing before it was told', notes: [], of: 1n, expected: Infinity },
    {
      name: 'answers the first note that is as far',
      notes: [
        [10, 1n],
        [20, 5n],
        [30, 9n],
      ],
      of: 6n,
      expected: 30,
    },
    {
      name: 'also where it is of that very revision',
      notes: [
        [10, 1n],
        [20, 5n],
        [30, 9n],
      ],
      of: 5n,
      expected: 20,
    },
    {
      name: 'knows of what was before the first that it was there by then',
      notes: [
        [10, 5n],
        [20, 6n],
      ],
      of: 4n,
      expected: 10,
    },
    {
      name: 'does not know of what is ahead',
      notes: [
        [10, 1n],
        [20, 5n],
      ],
      of: 6n,
      expected: Infinity,
    },
    {
      name: 'keeps what it knew before a long silence',
      notes: [
        [10, 1n],
        [900, 7n],
      ],
      of: 4n,
      expected: 900,
    },
    {
      name: 'passes over what a member that lags says',
      notes: [
        [10, 1n],
        [20, 6n],
        [30, 5n],
      ],
      of: 5n,
      expected: 20,
    },
  ] as const)('$name', ({ notes, of, expected }) => {
    expect(noted(...notes).reachedAt(of)).toBe(expected);
  });

  it('forgets a history that is no more', () => {
    const seen = noted([10, 1n], [20, 100n]);
    seen.note(30, 3n, 1);
    seen.note(40, 5n, 1);
    expect([seen.reachedAt(50n), seen.reachedAt(4n)]).toEqual([Infinity, 40]);
  });

  it('stays small', () => {
    const seen = noted(...Array.from({ length: 100 }, (_, n) => [n, BigInt(n)] as const));
    expect([seen.reachedAt(83n), seen.reachedAt(85n), seen.notes.length]).toEqual([84, 85, 16]);
  });
});
