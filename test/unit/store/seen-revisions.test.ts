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
    { name: 'knows nothing before it was told', notes: [], at: 100, expected: undefined },
    {
      name: 'answers the last one not later',
      notes: [
        [10, 1n],
        [20, 5n],
        [30, 9n],
      ],
      at: 29,
      expected: 5n,
    },
    {
      name: 'answers the first that it knows for earlier times',
      notes: [
        [10, 1n],
        [20, 5n],
      ],
      at: 9,
      expected: 1n,
    },
    {
      name: 'keeps what it knew before a long silence',
      notes: [
        [10, 1n],
        [900, 7n],
      ],
      at: 890,
      expected: 1n,
    },
    {
      name: 'forgets a history that is no more',
      notes: [
        [10, 100n],
        [20, 3n],
      ],
      at: 15,
      expected: 3n,
    },
  ] as const)('$name', ({ notes, at, expected }) => {
    expect(noted(...notes).at(at)).toBe(expected);
  });

  it('stays small', () => {
    const seen = noted(...Array.from({ length: 100 }, (_, n) => [n, BigInt(n)] as const));
    expect(seen.at(0)).toBe(84n);
    expect(seen.at(99)).toBe(99n);
  });
});
