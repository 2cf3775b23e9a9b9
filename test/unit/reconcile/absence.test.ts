// Whom the engine believes absent, and when the brake holds it back.
import { describe, expect, it } from 'vitest';
import type { AbsenceInput, Vanished } from '../../../src/reconcile/absence.ts';
import { judgeAbsence } from '../../../src/reconcile/absence.ts';
import { machineId, short } from '../../support/cluster.ts';

/** Ten minutes in, a leader for long, its own lease well; three machines are there. */
const CALM: AbsenceInput = {
  nowMs: 600_000,
  present: 3,
  silent: 0,
  vanished: [],
  returned: [],
  answeredSinceMs: 0,
  leaderSinceMs: 0,
  discontinuityAtMs: undefined,
  brake: undefined,
};

function gone(name: string, words: Partial<Vanished> = {}): Vanished {
  const id = machineId(name);
  const well = { orderly: false, evict: false, believed: false, remembered: false };
  return { id, vanishedAtMs: CALM.nowMs, ttlSec: 30, ...well, ...words };
}

function back(agoMs = 0, silent = false): AbsenceInput['returned'][number] {
  return { vanishedAtMs: CALM.nowMs - agoMs, ttlSec: 30, silent };
}

function say(input: Partial<AbsenceInput>): string[] {
  const { absent, doubted, lookAgainMs } = judgeAbsence({ ...CALM, ...input });
  const again = lookAgainMs === undefined ? [] : [`look again at ${lookAgainMs}`];
  return [
    ...absent.map((id) => `${short(id)} is absent`),
    ...doubted.map(({ id, because }) => `${short(id)} is doubted (${because})`),
    ...again,
  ];
}

describe('judgeAbsence', () => {
  it.for([
    {
      name: 'believes a key that vanished while own renewals were answered',
      given: { vanished: [gone('m1')] },
      expected: ['m1 is absent'],
    },
    {
      name: 'believes nobody while own renewals are not answered',
      given: { vanished: [gone('m1')], answeredSinceMs: undefined },
      expected: ['m1 is doubted (own-lease)'],
    },
    {
      name: 'waits until own renewals were answered all through the ttl',
      given: { vanished: [gone('m1')], answeredSinceMs: 590_000 },
      expected: ['m1 is doubted (own-lease)', 'look again at 620000'],
    },
    {
      name: 'believes one that left in good order at once, whatever else',
      given: { vanished: [gone('m1', { orderly: true })], answeredSinceMs: undefined },
      expected: ['m1 is absent'],
    },
    {
      name: 'believes a person',
      given: { vanished: [gone('m1', { evict: true })], answeredSinceMs: undefined },
      expected: ['m1 is absent'],
    },
    {
      name: 'looks round for 2 s as a new leader',
      given: { vanished: [gone('m1')], leaderSinceMs: 599_000 },
      expected: ['m1 is doubted (new-leader)', 'look again at 601000'],
    },
    {
      name: 'waits a full ttl as a new leader of a restored store',
      given: { vanished: [gone('m1')], leaderSinceMs: 599_000, discontinuityAtMs: 598_000 },
      expected: ['m1 is doubted (discontinuity)', 'look again at 629000'],
    },
    {
      name: 'goes on as usual a ttl after a discontinuity',
      given: { vanished: [gone('m1')], discontinuityAtMs: 570_000 },
      expected: ['m1 is absent'],
    },
    {
      name: 'believes nobody before the other leases are asked, where there are others',
      given: { vanished: [gone('m1')], silent: undefined },
      expected: ['m1 is doubted (unprobed)', 'look again at 600500'],
    },
    {
      name: 'waits while so many are silent that the brake may be needed',
      given: { vanished: [gone('m1')], present: 2, silent: 1 },
      expected: ['m1 is doubted (silent)', 'look again at 600500'],
    },
    {
      name: 'does not wait for silent ones that are too few for the brake',
      given: { vanished: [gone('m1')], present: 3, silent: 1 },
      expected: ['m1 is absent'],
    },
    {
      name: 'counts silent ones with those that vanished within the ttl, not with earlier ones',
      given: {
        vanished: [gone('m1', { vanishedAtMs: 560_000, believed: true }), gone('m2')],
        present: 3,
        silent: 1,
      },
      expected: ['m1 is absent', 'm2 is absent'],
    },
    {
      name: 'believes what an earlier leader believed, without waiting and counting',
      given: {
        vanished: [gone('m1', { remembered: true }), gone('m2', { remembered: true })],
        present: 1,
        silent: undefined,
        leaderSinceMs: 599_000,
      },
      expected: ['m1 is absent', 'm2 is absent'],
    },
    {
      name: 'does not believe even that after a discontinuity: it may be back, and the store not know it',
      given: { vanished: [gone('m1', { remembered: true })], discontinuityAtMs: 598_000 },
      expected: ['m1 is doubted (discontinuity)', 'look again at 628000'],
    },
    {
      name: 'holds only those that vanished under a brake, not those that were believed before it',
      given: {
        vanished: [gone('m1', { remembered: true }), gone('m2'), gone('m3')],
        present: 1,
      },
      expected: [
        'm1 is absent',
        'm2 is doubted (brake)',
        'm3 is doubted (brake)',
        'look again at 750000',
      ],
    },
  ])('$name', ({ given, expected }) => {
    expect(say(given)).toEqual(expected);
  });

  it.for([
    { machines: 1, gone: 1, silent: 0, waits: false },
    { machines: 2, gone: 1, silent: 0, waits: false },
    { machines: 2, gone: 1, silent: 1, waits: true },
    { machines: 3, gone: 1, silent: 1, waits: true },
    { machines: 4, gone: 1, silent: 1, waits: false },
    { machines: 4, gone: 1, silent: 2, waits: true },
    { machines: 4, gone: 2, silent: 1, waits: true },
    { machines: 5, gone: 1, silent: 1, waits: false },
    { machines: 5, gone: 1, silent: 2, waits: true },
    { machines: 5, gone: 2, silent: 0, waits: false },
  ])('of $machines, $gone gone and $silent silent: waits $waits', (row) => {
    const vanished = Array.from({ length: row.gone }, (_, n) => gone(`m${n + 1}`));
    const { doubted, brake } = judgeAbsence({
      ...CALM,
      vanished,
      present: row.machines - row.gone,
      silent: row.silent,
    });
    expect(brake).toBeUndefined();
    expect(doubted.map(({ because }) => because)).toEqual(
      row.waits ? vanished.map(() => 'silent') : [],
    );
  });

  it.for([
    { machines: 1, brakesAt: undefined },
    { machines: 2, brakesAt: 2 },
    { machines: 3, brakesAt: 2 },
    { machines: 4, brakesAt: 3 },
    { machines: 5, brakesAt: 3 },
  ])('brakes in a cluster of $machines at $brakesAt vanished', ({ machines, brakesAt }) => {
    const all = Array.from({ length: machines }, (_, n) => gone(`m${n + 1}`));
    const brakes = all.map((_, n) => {
      const vanished = all.slice(0, n + 1);
      return judgeAbsence({ ...CALM, vanished, present: machines - n - 1 }).brake !== undefined;
    });
    const first = brakes.indexOf(true);
    expect(first === -1 ? undefined : first + 1).toBe(brakesAt);
  });

  it('does not count orderly leavers, nor those that vanished more than a ttl before', () => {
    const orderly = [gone('m1', { orderly: true }), gone('m2')];
    expect(say({ vanished: orderly, present: 1 })).toEqual(['m1 is absent', 'm2 is absent']);
    const earlier = [gone('m1', { vanishedAtMs: 569_000, believed: true }), gone('m2')];
    expect(say({ vanished: earlier, present: 1 })).toEqual(['m1 is absent', 'm2 is absent']);
  });

  it('counts one that was believed within the ttl, and does not take that back', () => {
    const vanished = [gone('m1', { vanishedAtMs: 580_000, believed: true }), gone('m2')];
    expect(say({ vanished, present: 1 })).toEqual([
      'm1 is absent',
      'm2 is doubted (brake)',
      'look again at 750000',
    ]);
  });

  it('holds the brake until all are back', () => {
    const both = [gone('m1'), gone('m2')];
    const { brake } = judgeAbsence({ ...CALM, vanished: both, present: 1 });
    const one = { vanished: [gone('m1')], present: 2, brake, nowMs: 610_000 };
    expect(say(one)).toEqual(['m1 is doubted (brake)', 'look again at 750000']);
    const none = judgeAbsence({ ...CALM, present: 3, brake, nowMs: 620_000 });
    expect(none.brake).toBeUndefined();
  });

  it('lets go after 5 ttl, and does not brake for the same machines again', () => {
    const both = [gone('m1'), gone('m2')];
    const { brake } = judgeAbsence({ ...CALM, vanished: both, present: 1 });
    const later = judgeAbsence({ ...CALM, vanished: both, present: 1, brake, nowMs: 750_000 });
    expect(later.absent).toHaveLength(2);
    const believed = both.map((machine) => ({ ...machine, believed: true }));
    const after = { ...CALM, vanished: [...believed, gone('m3', { vanishedAtMs: 800_000 })] };
    expect(
      judgeAbsence({ ...after, present: 2, brake: later.brake, nowMs: 800_000 }).doubted,
    ).toEqual([]);
  });

  it('brakes for one that vanished together with what an earlier leader gave up just before', () => {
    const before = (agoMs: number) =>
      gone('m1', { remembered: true, vanishedAtMs: CALM.nowMs - agoMs });
    const judged = (agoMs: number) =>
      judgeAbsence({ ...CALM, present: 1, vanished: [before(agoMs), gone('m2')] });
    expect(judged(11_000).brake?.machines.map((id) => short(id))).toEqual(['m2']);
    expect(judged(31_000).brake).toBeUndefined();
  });

  it('brakes for one that vanished together with what a person has given up since', () => {
    const vanished = [gone('m1', { evict: true }), gone('m2')];
    const { absent, brake } = judgeAbsence({ ...CALM, present: 1, vanished });
    expect(absent.map(short)).toEqual(['m1']);
    expect(brake?.machines.map(short)).toEqual(['m2']);
    const alone = judgeAbsence({ ...CALM, present: 0, vanished: [gone('m1', { evict: true })] });
    expect(alone.brake).toBeUndefined();
  });

  it.for([
    { name: 'within the ttl', agoMs: 29_000, back: 2, present: 2, held: ['m1', 'm2'] },
    { name: 'before', agoMs: 31_000, back: 2, present: 2, held: [] },
    { name: 'too few', agoMs: 29_000, back: 1, present: 4, held: [] },
    { name: 'alone', agoMs: 0, back: 4, present: 4, held: ['m1', 'm2'] },
  ])('counts those that are back with those that are not: $name', (row) => {
    const { agoMs, back: times, present, held } = row;
    const returned = Array.from({ length: times }, () => back(agoMs));
    const given = { ...CALM, present, returned, vanished: [gone('m1'), gone('m2')] };
    expect(judgeAbsence(given).brake?.machines.map(short) ?? []).toEqual(held);
  });

  it('does not brake where all that vanished are back', () => {
    const returned = [back(), back()];
    expect(judgeAbsence({ ...CALM, present: 2, returned }).brake).toBeUndefined();
  });

  it('waits for silent ones that would be too many with those that are back', () => {
    const judged = (returned: AbsenceInput['returned']) =>
      say({ present: 4, silent: 1, returned, vanished: [gone('m1')] });
    expect(judged([back()])).toEqual(['m1 is doubted (silent)', 'look again at 600500']);
    expect(judged([back(0, true)])).toEqual(['m1 is absent']); // it is the silent one
    expect(judged([])).toEqual(['m1 is absent']);
  });

  it('evicts one machine that a person names, and brakes for the others', () => {
    const vanished = [gone('m1', { evict: true }), gone('m2'), gone('m3')];
    expect(say({ vanished, present: 1 })).toEqual([
      'm1 is absent',
      'm2 is doubted (brake)',
      'm3 is doubted (brake)',
      'look again at 750000',
    ]);
  });
});
