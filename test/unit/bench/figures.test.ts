import { describe, expect, it } from 'vitest';
import { cellsOf, isReached, median, quantile, type Figure } from '../../bench/figures.ts';
import { plotOf } from '../../bench/plot.ts';

const figure = (rest: Partial<Figure>): Figure => ({
  what: 'a start',
  unit: 'ms',
  values: [30, 10, 20],
  ...rest,
});

describe('figures', () => {
  it.for([
    { values: [1], share: 0.5, then: 1 },
    { values: [4, 1, 3, 2], share: 0.5, then: 2.5 },
    { values: [10, 20, 30], share: 1, then: 30 },
    { values: [0, 100], share: 0.9, then: 90 },
  ])('quantile of $values at $share is $then', ({ values, share, then }) => {
    expect(quantile(values, share)).toBeCloseTo(then);
  });

  it('median of nothing is no number', () => {
    expect(median([])).toBeNaN();
  });

  it.for([
    { name: 'no goal', rest: {}, then: undefined },
    { name: 'at most, the median itself', rest: { goal: { atMost: 20 } }, then: true },
    { name: 'at most, less', rest: { goal: { atMost: 19 } }, then: false },
    { name: 'at least', rest: { goal: { atLeast: 21 } }, then: false },
    {
      name: 'a ratio',
      rest: { against: { what: 'by hand', values: [10] }, goal: { ratioAtMost: 2 } },
      then: true,
    },
    {
      name: 'a ratio that is exceeded',
      rest: { against: { what: 'by hand', values: [10] }, goal: { ratioAtMost: 1.9 } },
      then: false,
    },
    { name: 'a ratio to nothing', rest: { goal: { ratioAtMost: 2 } }, then: false },
    {
      name: 'more than by hand',
      rest: { against: { what: 'by hand', values: [15] }, goal: { moreAtMost: 4 } },
      then: false,
    },
  ])('isReached: $name', ({ rest, then }) => {
    expect(isReached(figure(rest))).toBe(then);
  });

  it('cellsOf says the median, the spread, the runs, and what it is held against', () => {
    const against = { what: 'systemctl', values: [8, 12] };
    expect(cellsOf(figure({ against, goal: { ratioAtMost: 1.5 } }))).toEqual([
      'a start',
      '20 (10–30, 3) ms',
      '10 (8–12, 2) ms (systemctl)',
      '2 ×',
      '≤ 1.5 ×',
      'no',
    ]);
  });

  it('plotOf draws every curve into one SVG', () => {
    const curve = { plot: 'plan', x: 'units', y: 'µs' };
    const points = [
      [100, 5],
      [10_000, 6],
    ] as const;
    const svg = plotOf([
      { ...curve, name: 'plain', points },
      { ...curve, name: 'mixed', points },
    ]);
    expect(svg).toMatch(/^<svg [^>]*width="720"/);
    expect(svg).toContain('plain');
    expect(svg).toContain('mixed');
    expect(svg.match(/<path [^>]*fill="none"/g)?.length).toBeGreaterThanOrEqual(2);
  });
});
