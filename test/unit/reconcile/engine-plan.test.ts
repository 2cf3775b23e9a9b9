// What the engine decides for units that are not placed yet, one row a situation; and how a plan is bounded.
import { describe, expect, it } from 'vitest';
import { planEngine } from '../../../src/reconcile/engine-plan.ts';
import { FILTERS } from '../../../src/scheduler/filters.ts';
import type { ClusterWords } from '../../support/cluster.ts';
import { cluster, line, planAll, unitName } from '../../support/cluster.ts';

interface Row {
  readonly name: string;
  readonly given: ClusterWords;
  readonly plan: readonly string[];
}

function table(rows: readonly Row[]): void {
  it.for(rows)('$name', ({ given, plan }) => {
    expect(planAll(cluster(given)).actions.map(line)).toEqual(plan);
  });
}

describe('planEngine places', () => {
  table([
    { name: 'nothing in an empty cluster', given: {}, plan: [] },
    {
      name: 'a launched unit, and a loaded one',
      given: { units: { 'a.service': 'launched', 'b.service': 'loaded' }, machines: ['m1', 'm2'] },
      plan: ['place a.service on m1 (unplaced)', 'place b.service on m2 (unplaced)'],
    },
    {
      name: 'no inactive unit',
      given: { units: { 'a.service': 'inactive' }, machines: ['m1'] },
      plan: [],
    },
    {
      name: 'on the least loaded machine, and on the lowest id of those',
      given: {
        units: { 'a.service': { on: 'm1' }, 'b.service': 'launched', 'c.service': 'launched' },
        machines: ['m3', 'm1', 'm2'],
      },
      plan: ['place b.service on m2 (unplaced)', 'place c.service on m3 (unplaced)'],
    },
    {
      name: 'by MachineID=, full or its first 8',
      given: {
        units: {
          'a.service': { id: '00000002' },
          'b.service': { id: `00000003${'0'.repeat(24)}` },
        },
        machines: ['m1', 'm2', 'm3'],
      },
      plan: ['place a.service on m2 (unplaced)', 'place b.service on m3 (unplaced)'],
    },
    {
      name: 'by metadata: values of one key are alternatives, keys must all hold',
      given: {
        units: {
          'a.service': { metadata: ['role=db', 'role=web'] },
          'b.service': { metadata: ['role=web', 'disk=ssd'] },
          'c.service': { metadata: ['role=web', 'disk=tape'] },
        },
        machines: {
          m1: { metadata: { disk: 'ssd' } },
          m2: { metadata: { role: 'web' } },
          m3: { metadata: { role: 'web', disk: 'ssd' } },
        },
      },
      plan: [
        'place a.service on m2 (unplaced)',
        'place b.service on m3 (unplaced)',
        'pending c.service (metadata 3)',
      ],
    },
    {
      name: 'a unit with its peer, whatever their names, and a chain of them',
      given: {
        units: {
          'a.service': { of: ['b.service'] },
          'b.service': { of: ['c.service'] },
          'c.service': { metadata: ['role=web'] },
        },
        machines: { m1: {}, m2: { metadata: { role: 'web' } } },
      },
      plan: [
        'place c.service on m2 (unplaced)',
        'place b.service on m2 (unplaced)',
        'place a.service on m2 (unplaced)',
      ],
    },
    {
      name: 'no unit whose peer is not placed, nor a circle of peers',
      given: {
        units: {
          'a.service': { of: ['b.service'] },
          'b.service': { of: ['a.service'] },
          'c.service': { of: ['d.service'] },
          'd.service': 'inactive',
        },
        machines: ['m1'],
      },
      plan: [
        'pending b.service (circle)',
        'pending a.service (circle)',
        'pending c.service (machine-of 1)',
      ],
    },
    {
      name: 'a unit where its global peer runs',
      given: {
        units: {
          'a.service': { of: ['g.service'] },
          'g.service': { global: true, metadata: ['role=web'] },
        },
        machines: { m1: {}, m2: { metadata: { role: 'web' } } },
      },
      plan: ['place a.service on m2 (unplaced)'],
    },
    {
      name: 'no global unit',
      given: { units: { 'g.service': { global: true } }, machines: ['m1'] },
      plan: [],
    },
    {
      name: 'nothing on a machine that is leaving, doubted or absent',
      given: {
        units: { 'a.service': 'launched' },
        machines: {
          m1: { presence: 'leaving' },
          m2: { presence: 'doubted' },
          m3: { presence: 'absent' },
        },
      },
      plan: ['pending a.service (leaving 1)'],
    },
    {
      name: 'nothing without machines',
      given: { units: { 'a.service': 'launched' } },
      plan: ['pending a.service (no-machines)'],
    },
  ]);
});

describe('planEngine keeps conflicting units apart', () => {
  table([
    {
      name: 'by glob: as many as there are machines',
      given: {
        units: Object.fromEntries(
          [0, 1, 2, 3].map((n) => [`c.${n}.service`, { conflicts: ['c.*.service'] }]),
        ),
        machines: ['m1', 'm2', 'm3'],
      },
      plan: [
        'place c.0.service on m1 (unplaced)',
        'place c.1.service on m2 (unplaced)',
        'place c.2.service on m3 (unplaced)',
        'pending c.3.service (conflict 3)',
      ],
    },
    {
      name: 'when only the one that runs says so',
      given: {
        units: { 'a.service': { conflicts: ['b.service'], on: 'm1' }, 'b.service': 'launched' },
        machines: ['m1'],
      },
      plan: ['pending b.service (conflict 1)'],
    },
    {
      name: 'when only the newcomer says so',
      given: {
        units: {
          'a.service': { on: 'm1' },
          'b.service': { conflicts: ['x.service', 'a.service'] },
        },
        machines: ['m1', 'm2'],
      },
      plan: ['place b.service on m2 (unplaced)'],
    },
    {
      name: 'also from one that is being released, until it is handed over',
      given: {
        units: {
          'a.service': { on: 'm1', releasing: true, state: 'inactive' },
          'b.service': { conflicts: ['a.service'] },
        },
        machines: ['m1'],
      },
      plan: ['pending b.service (conflict 1)'],
    },
    {
      name: 'also from a global unit that runs there, but a placed unit does not give way to one',
      given: {
        units: {
          'a.service': { conflicts: ['g.service'] },
          'b.service': { conflicts: ['g.service'], on: 'm2' },
          'g.service': { global: true },
        },
        machines: ['m1', 'm2'],
      },
      plan: ['place a.service on m2 (unplaced)'],
    },
    {
      name: 'where a new version made two of one machine conflict: the first name stays',
      given: {
        units: { 'a.service': { on: 'm1' }, 'b.service': { conflicts: ['a.service'], on: 'm1' } },
        machines: ['m1', 'm2'],
      },
      plan: ['release b.service from m1 (conflict with a.service)'],
    },
    {
      name: 'and of three in a chain releases the middle one only',
      given: {
        units: {
          'a.service': { on: 'm1' },
          'b.service': { conflicts: ['a.service', 'c.service'], on: 'm1' },
          'c.service': { on: 'm1' },
        },
        machines: ['m1'],
      },
      plan: ['release b.service from m1 (conflict with a.service)'],
    },
  ]);
});

describe('planEngine lets units replace others', () => {
  table([
    {
      name: 'on the machine that the newcomer gets',
      given: {
        units: {
          'a.service': { replaces: ['b.service'], on: 'm1' },
          'b.service': { on: 'm1' },
        },
        machines: ['m1', 'm2'],
      },
      plan: ['release b.service from m1 (replaces with a.service)'],
    },
    {
      name: 'and places what was replaced elsewhere',
      given: {
        units: {
          'a.service': { replaces: ['b.service'], on: 'm1' },
          'b.service': { on: 'm1', handedOver: true },
          'c.service': { on: 'm2' },
          'd.service': { on: 'm2' },
        },
        machines: ['m1', 'm2'],
      },
      plan: ['place b.service on m2 (handed-over)'],
    },
    {
      name: 'but not in a circle: the second is placed nowhere',
      given: {
        units: {
          'a.service': { replaces: ['b.service'] },
          'b.service': { replaces: ['a.service'], on: 'm1' },
        },
        machines: ['m1', 'm2'],
      },
      plan: ['pending a.service (replaces 2)'],
    },
  ]);
});

describe('planEngine', () => {
  it('marks the old key when it evicts, and compares the revisions it saw', () => {
    const given = {
      units: { 'a.service': { on: 'm1' } },
      machines: { m1: { presence: 'absent' }, m2: {} },
    } as const;
    const [action] = planAll(cluster(given)).actions;
    expect(action).toMatchObject({
      expected: { unit: 1n, placed: 2n },
      placement: { machine: '00000002'.padEnd(32, '0'), release: false },
      left: { machine: '00000001'.padEnd(32, '0'), release: true },
    });
  });

  it('expects the absence of a placement that there is none of', () => {
    const [action] = planAll(
      cluster({ units: { 'a.service': 'launched' }, machines: ['m1'] }),
    ).actions;
    expect(action?.expected).toEqual({ unit: 1n, placed: 0n });
  });

  it('plans the others when one unit makes a filter throw', () => {
    const picture = cluster({
      units: { 'a.service': 'launched', 'b.service': 'launched' },
      machines: ['m1', 'm2'],
    });
    const broken = {
      ...FILTERS,
      take: [
        (unit: { name: string }) => {
          if (unit.name === 'a.service') throw new Error('a fault of the test');
          return undefined;
        },
      ],
    };
    const plan = planAll(picture, broken);
    expect(plan.actions.map(line)).toEqual([
      'pending a.service (internal)',
      'place b.service on m1 (unplaced)',
    ]);
    expect(plan.faults.map(({ unit }) => unit)).toEqual(['a.service']);
  });

  it('decides no more than the limit, and says what is left', () => {
    const picture = cluster({
      units: { 'a.service': 'launched', 'b.service': 'launched', 'c.service': 'launched' },
      machines: ['m1'],
    });
    const plan = planEngine(picture, ['c.service', 'b.service', 'a.service'].map(unitName), 2);
    expect(plan.actions).toHaveLength(2);
    expect(plan.undecided).toEqual(['c.service']);
  });

  it('leaves alone what a record that does not decode concerns', () => {
    const picture = cluster({
      units: {
        'a.service': { on: 'm1', state: 'inactive' },
        'b.service': 'launched',
        'c.service': { on: 'm2', metadata: ['role=web'] },
      },
      machines: ['m1', 'm2'],
    });
    picture.markUnreadable({ kind: 'placed', name: unitName('a.service') });
    picture.markUnreadable({ kind: 'unit', name: unitName('b.service') });
    for (const machine of picture.machines())
      if (machine.located === 1 && [...machine.holds][0]?.name === 'c.service')
        picture.markUnreadable({ kind: 'metadata', machine: machine.id, key: 'role' });
    expect(planAll(picture).actions.map(line)).toEqual(['pending b.service (unreadable)']);
  });
});

describe('planEngine never places a unit beside its own orphan', () => {
  table([
    {
      name: 'but where that runs, however loaded the machine is',
      given: {
        units: { 'a.service': { orphanOn: ['m2'] }, 'b.service': { on: 'm2' } },
        machines: ['m1', 'm2'],
      },
      plan: ['place a.service on m2 (unplaced)'],
    },
    {
      name: 'and waits where that machine may not take it',
      given: {
        units: { 'a.service': { orphanOn: ['m2'], metadata: ['role=web'] } },
        machines: { m1: { metadata: { role: 'web' } }, m2: {} },
      },
      plan: ['pending a.service (orphan m2)'],
    },
    {
      name: 'and waits for a person where there are two',
      given: { units: { 'a.service': { orphanOn: ['m3', 'm2'] } }, machines: ['m1', 'm2', 'm3'] },
      plan: ['pending a.service (orphan m2 m3)'],
    },
    {
      name: 'and waits while nobody knows whether its machine is gone',
      given: {
        units: { 'a.service': { orphanOn: ['m2'] } },
        machines: { m1: {}, m2: { presence: 'doubted' } },
      },
      plan: ['pending a.service (orphan m2)'],
    },
    {
      name: 'and does not care for those of absent machines',
      given: {
        units: { 'a.service': { orphanOn: ['m2', 'm3'] } },
        machines: { m1: {}, m2: { presence: 'absent' }, m3: {} },
      },
      plan: ['place a.service on m3 (unplaced)'],
    },
    {
      name: 'when its own machine is absent',
      given: {
        units: { 'a.service': { on: 'm1', orphanOn: ['m3'] } },
        machines: { m1: { presence: 'absent' }, m2: {}, m3: {} },
      },
      plan: ['evict a.service from m1 to m3 (machine-absent)'],
    },
    {
      name: 'and leaves alone what is placed, and what nobody wants',
      given: {
        units: {
          'a.service': { on: 'm1', orphanOn: ['m2'] },
          'b.service': { destroyed: true, orphanOn: ['m2'] },
          'c.service': { state: 'inactive', orphanOn: ['m2'] },
        },
        machines: ['m1', 'm2'],
      },
      plan: [],
    },
  ]);
});
