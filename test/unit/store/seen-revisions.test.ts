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
      name: 'does not know when it came to the first',
      notes: [
        [10, 5n],
        [20, 5n],
      ],
      of: 5n,
      expected: -Infinity,
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
      name: 'forgets a history that is no more',
      notes: [
        [10, 1n],
        [20, 100n],
        [30, 3n],
      ],
      of: 50n,
      expected: Infinity,
    },
  ] as const)('$name', ({ notes, of, expected }) => {
    expect(noted(...notes).reachedAt(of)).toBe(expected);
  });

  it('stays small', () => {
    const seen = noted(...Array.from({ length: 100 }, (_, n) => [n, BigInt(n)] as const));
    expect([seen.reachedAt(84n), seen.reachedAt(85n), seen.notes.length]).toEqual([
      -Infinity,
      85,
      16,
    ]);
  });
});
