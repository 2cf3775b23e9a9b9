// What a change of the picture marks as dirty, and what a decision costs.
import { describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import { applyAction } from '../../../src/reconcile/engine-effects.ts';
import { planEngine } from '../../../src/reconcile/engine-plan.ts';
import type { ClusterPicture } from '../../../src/scheduler/cluster.ts';
import type { Filters } from '../../../src/scheduler/filters.ts';
import { FILTERS } from '../../../src/scheduler/filters.ts';
import { globalRunsOn } from '../../../src/scheduler/global-runs.ts';
import type { ClusterWords, UnitWords } from '../../support/cluster.ts';
import {
  assignmentRecord,
  cluster,
  globalRecord,
  machineId,
  machineRecord,
  placementRecord,
  unitName,
  unitRecord,
} from '../../support/cluster.ts';

const WAITS = { pending: { counts: { metadata: 1 } } };

/** More machines than an explanation names, so that one more makes none untrue. */
const NAMED = Array.from({ length: 20 }, (_, n) => ({
  machine: machineId(`m${n + 50}`),
  refusal: { kind: 'leaving' } as const,
}));

describe('ClusterPicture marks dirty', () => {
  const given: ClusterWords = {
    units: {
      'on1.service': { on: 'm1' },
      'follows.service': { on: 'm2', of: ['on1.service'] },
      'rival.service': { conflicts: ['on1.*'], ...WAITS },
      'web.service': { metadata: ['role=web'], pending: { machines: NAMED } },
      'db.service': { metadata: ['role=db'], pending: { machines: NAMED } },
      'other.service': { on: 'm2' },
      'global-fan.service': { on: 'm2', of: ['global.service'] },
    },
    machines: ['m1', 'm2'],
  };
  const rows: readonly {
    name: string;
    change: (picture: ClusterPicture) => void;
    dirty: readonly string[];
  }[] = [
    {
      name: 'the unit that changed, and nothing else',
      change: (picture) =>
        picture.applyUnit(unitName('other.service'), unitRecord('other.service', {}, 2), 9n),
      dirty: ['other.service'],
    },
    {
      name: 'the followers and rivals of a unit that moved away',
      change: (picture) =>
        picture.applyAssignment(machineId('m1'), unitName('on1.service'), undefined, 9n),
      dirty: ['follows.service', 'on1.service', 'rival.service'],
    },
    {
      name: 'of the waiting units those that a new machine might take',
      change: (picture) =>
        picture.applyMachine(machineId('m9'), machineRecord('m9', { role: 'web' })),
      dirty: ['rival.service', 'web.service'],
    },
    {
      name: 'what is on a machine that is gone, and what follows it',
      change: (picture) => picture.setPresence(machineId('m1'), 'absent'),
      dirty: ['follows.service', 'on1.service', 'rival.service'],
    },
    {
      name: 'what follows a global unit, and what waits for it, when a placed unit drives it out',
      change: (picture) => {
        const rival = unitRecord('rival.service', { conflicts: ['on1.*', 'global.*'] });
        picture.applyUnit(
          unitName('global.service'),
          unitRecord('global.service', { global: true }),
          9n,
        );
        picture.applyGlobal(
          unitName('global.service'),
          globalRecord(unitRecord('global.service', { global: true })),
          9n,
        );
        picture.applyUnit(rival.name, rival, 9n);
        picture.takeDirty(Number.POSITIVE_INFINITY);
        const at = machineId('m2');
        picture.applyAssignment(at, rival.name, assignmentRecord(rival, at, false), 10n);
        picture.applyPlacement(rival.name, placementRecord(rival, at, false), 10n);
      },
      dirty: ['global-fan.service', 'rival.service'],
    },
    {
      name: 'nothing when a machine says again what it said',
      change: (picture) =>
        picture.applyMachine(machineId('m1'), { ...machineRecord('m1'), nonce: 'another run' }),
      dirty: [],
    },
    {
      name: 'nothing when its own write comes back through the watch, or an older one',
      change: (picture) => {
        const unit = unitRecord('on1.service');
        picture.applyPlacement(unit.name, placementRecord(unit, machineId('m1'), false), 2n);
        picture.applyPlacement(unit.name, placementRecord(unit, machineId('m2'), false), 1n);
        picture.applyPlacement(unit.name, undefined, 1n);
      },
      dirty: [],
    },
  ];
  it.for(rows)('$name', ({ change, dirty }) => {
    const picture = cluster(given);
    picture.takeDirty(Number.POSITIVE_INFINITY);
    change(picture);
    expect(picture.takeDirty(Number.POSITIVE_INFINITY)).toEqual(dirty);
  });

  it('as many as are taken, lowest names first', () => {
    const picture = cluster(given);
    expect(picture.takeDirty(2)).toEqual(['db.service', 'follows.service']);
    expect(picture.dirtyCount).toBe(5);
    picture.markDirty(['db.service', 'unknown.service'].map(unitName));
    expect(picture.dirtyCount).toBe(6);
  });

  it('with a unit whose writes were lost what was decided in view of it', () => {
    const picture = cluster(given);
    picture.takeDirty(Number.POSITIVE_INFINITY);
    picture.markDirty([unitName('on1.service')]);
    expect(picture.takeDirty(9)).toEqual(['follows.service', 'on1.service', 'rival.service']);
  });

  it('forgets a unit and a machine with their last record', () => {
    const picture = cluster({ units: { 'a.service': { on: 'm1' } }, machines: ['m1'] });
    picture.applyUnit(unitName('a.service'), undefined, 9n);
    picture.applyPlacement(unitName('a.service'), undefined, 9n);
    picture.applyMachine(machineId('m1'), undefined);
    expect([...picture.machines()]).toHaveLength(1);
    picture.applyAssignment(machineId('m1'), unitName('a.service'), undefined, 9n);
    expect([...picture.units()]).toEqual([]);
    expect([...picture.machines()]).toEqual([]);
    expect(picture.dirtyCount).toBe(0);
  });
});

describe('a decision', () => {
  /** Counts the machines that are asked. */
  function counting(): { filters: Filters; asked: () => number } {
    let asked = 0;
    const count = (_unit: unknown, _machine: { id: MachineId }): undefined => void (asked += 1);
    return { filters: { ...FILTERS, take: [count, ...FILTERS.take] }, asked: () => asked };
  }

  const big = (units: number, words: (n: number) => UnitWords): ClusterPicture => {
    const machines = Array.from({ length: 500 }, (_, n) => [
      `m${n + 1}` as const,
      { metadata: { rack: `r${n % 100}`, half: `${n % 2}` } },
    ]);
    const named = Array.from({ length: units }, (_, n) => [`u${n}.service`, words(n)]);
    return cluster({ machines: Object.fromEntries(machines), units: Object.fromEntries(named) });
  };

  it.for<{ name: string; words: (n: number) => UnitWords; each: number }>([
    { name: 'without constraints asks one machine', words: () => ({}), each: 1 },
    { name: 'by id asks that one', words: (n) => ({ id: `${n + 1}`.padStart(8, '0') }), each: 1 },
    {
      name: 'by metadata asks none that has another value',
      words: (n) => ({ metadata: [`half=${n % 2}`] }),
      each: 1,
    },
    {
      name: 'by two keys goes through the rarer one',
      words: (n) => ({ metadata: [`half=${n % 2}`, `rack=r${n % 100}`] }),
      each: 1,
    },
    {
      name: 'with conflicts asks no machine that is as loaded as those with a rival',
      words: () => ({ conflicts: ['u*.service'] }),
      each: 1,
    },
    {
      name: 'that follows a peer asks the machine of that',
      words: (n) => (n === 0 ? {} : { of: ['u0.service'] }),
      each: 1,
    },
  ])('$name', ({ words, each }) => {
    const picture = big(400, words);
    const { filters, asked } = counting();
    const plan = planEngine(picture, picture.takeDirty(1000), 1000, filters);
    expect(plan.actions.filter(({ kind }) => kind === 'place')).toHaveLength(400);
    expect(asked()).toBe(400 * each);
  });

  it('asks as many machines with 10 units placed as with 10,000', () => {
    for (const placed of [10, 10_000]) {
      const picture = big(placed, (n) => ({ on: `m${(n % 500) + 1}` }));
      picture.takeDirty(Number.POSITIVE_INFINITY);
      const name = unitName('new.service');
      picture.applyUnit(name, unitRecord(name), 3n);
      const { filters, asked } = counting();
      const plan = planEngine(picture, picture.takeDirty(10), 10, filters);
      for (const action of plan.actions) applyAction(picture, action, 4n);
      expect(asked()).toBe(1);
    }
  });
});

describe('a global unit beside a unit of which another version was submitted', () => {
  const rival = unitRecord('rival.service', { conflicts: ['global.*', 'other.*'] }, 2);
  const given: ClusterWords = {
    units: {
      'fan.service': { on: 'm1', of: ['global.service'] },
      'global.service': { global: true },
      'other.service': { on: 'm1' },
      'rival.service': { on: 'm1' },
    },
    machines: ['m1'],
  };
  const releases = (picture: ClusterPicture): readonly string[] => {
    const plan = planEngine(picture, picture.takeDirty(Infinity), Infinity);
    return plan.actions.filter(({ kind }) => kind === 'release').map(({ unit }) => unit);
  };

  it('goes on, with its followers, where the machine is never told of that version', () => {
    const picture = cluster(given);
    picture.applyUnit(rival.name, rival, 9n);
    picture.markDirty([unitName('fan.service')]);
    expect(releases(picture)).toEqual(['rival.service']);
  });

  it('gives way once the machine is told', () => {
    const picture = cluster({ ...given, machines: ['m1', 'm2'] });
    const milder = unitRecord('rival.service', { conflicts: ['global.*'] }, 2);
    picture.applyUnit(milder.name, milder, 9n);
    expect(releases(picture)).toEqual([]);
    const m1 = machineId('m1');
    picture.applyAssignment(m1, milder.name, assignmentRecord(milder, m1, false), 10n);
    expect(releases(picture)).toEqual(['fan.service']);
  });

  it('gives way to what the machine goes on running where the other version cannot be understood', () => {
    const picture = cluster({
      units: {
        'global.service': { global: true },
        'rival.service': { on: 'm1', conflicts: ['global.*'] },
      },
      machines: ['m1'],
    });
    picture.applyUnit(rival.name, unitRecord('rival.service', { metadata: ['malformed'] }, 2), 9n);
    const unit = picture.unit(unitName('global.service'))!;
    expect(globalRunsOn(picture, unit, picture.machine(machineId('m1'))!)).toBe(false);
  });
});
