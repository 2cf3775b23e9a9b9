// What the engine decides for units that are placed, one row a situation.
import { describe, expect, it } from 'vitest';
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

describe('planEngine on a unit that is placed', () => {
  table([
    {
      name: 'does nothing when all is in step, however unbalanced',
      given: {
        units: { 'a.service': { on: 'm1' }, 'b.service': { on: 'm1' } },
        machines: ['m1', 'm2'],
      },
      plan: [],
    },
    {
      name: 'rewrites its keys when it was replaced, and settles it',
      given: { units: { 'a.service': { on: 'm1', old: true, pending: {} } }, machines: ['m1'] },
      plan: ['update a.service on m1 (replaced)'],
    },
    {
      name: 'releases it when it was unloaded without a mark',
      given: { units: { 'a.service': { on: 'm1', state: 'inactive' } }, machines: ['m1'] },
      plan: ['release a.service from m1 (unwanted)'],
    },
    {
      name: 'releases it when its unit is gone',
      given: { units: { 'a.service': { on: 'm1', destroyed: true } }, machines: ['m1'] },
      plan: ['release a.service from m1 (unwanted)'],
    },
    {
      name: 'releases it when it became global',
      given: { units: { 'a.service': { on: 'm1', global: true } }, machines: ['m1'] },
      plan: ['release a.service from m1 (became-global)'],
    },
    {
      name: 'releases it when its machine may no longer run it, and its followers with it',
      given: {
        units: {
          'a.service': { on: 'm1', metadata: ['role=web'] },
          'b.service': { on: 'm1', of: ['a.service'] },
        },
        machines: ['m1'],
      },
      plan: [
        'release a.service from m1 (metadata)',
        'release b.service from m1 (machine-of a.service)',
      ],
    },
    {
      name: 'says that it waits while its machine lets go',
      given: { units: { 'a.service': { on: 'm1', releasing: true } }, machines: ['m1', 'm2'] },
      plan: ['pending a.service (releasing)'],
    },
    {
      name: 'places it again once it is handed over, the same machine is allowed',
      given: { units: { 'a.service': { on: 'm1', handedOver: true } }, machines: ['m1'] },
      plan: ['place a.service on m1 (handed-over)'],
    },
    {
      name: 'deletes the placement once it is handed over and unwanted',
      given: {
        units: { 'a.service': { on: 'm1', handedOver: true, state: 'inactive' } },
        machines: ['m1'],
      },
      plan: ['unplace a.service from m1 (handed-over)'],
    },
    {
      name: 'deletes the placement and says why when nobody takes what was handed over',
      given: {
        units: { 'a.service': { on: 'm1', handedOver: true, metadata: ['role=web'] } },
        machines: ['m1'],
      },
      plan: ['unplace a.service from m1 (handed-over)', 'pending a.service (metadata 1)'],
    },
    {
      name: 'marks keys that no placement speaks of, and waits for them before it places',
      given: { units: { 'a.service': { strays: ['m2', 'm3'] } }, machines: ['m1', 'm2', 'm3'] },
      plan: [
        'withdraw a.service from m2 (not-placed-there)',
        'withdraw a.service from m3 (not-placed-there)',
      ],
    },
    {
      name: 'does not place what a marked key says is still running elsewhere',
      given: { units: { 'a.service': { marked: ['m2'] } }, machines: ['m1', 'm2'] },
      plan: ['pending a.service (releasing)'],
    },
    {
      name: 'places what only an absent machine holds a marked key of',
      given: {
        units: { 'a.service': { marked: ['m2'] } },
        machines: { m1: {}, m2: { presence: 'absent' } },
      },
      plan: ['place a.service on m1 (unplaced)'],
    },
  ]);
});

describe('planEngine on a machine that goes away', () => {
  table([
    {
      name: 'moves nothing while it is doubted',
      given: {
        units: { 'a.service': { on: 'm1' } },
        machines: { m1: { presence: 'doubted' }, m2: {} },
      },
      plan: [],
    },
    {
      name: 'moves nothing while it is leaving: it hands its units over itself',
      given: {
        units: { 'a.service': { on: 'm1' } },
        machines: { m1: { presence: 'leaving' }, m2: {} },
      },
      plan: [],
    },
    {
      name: 'evicts its units when it is absent, followers with their peers',
      given: {
        units: {
          'a.service': { on: 'm1', of: ['b.service'] },
          'b.service': { on: 'm1' },
          'c.service': { on: 'm1' },
        },
        machines: { m1: { presence: 'absent' }, m2: {}, m3: {} },
      },
      plan: [
        'evict b.service from m1 to m2 (machine-absent)',
        'evict a.service from m1 to m2 (machine-absent)',
        'evict c.service from m1 to m3 (machine-absent)',
      ],
    },
    {
      name: 'leaves what no other machine takes assigned, and says why',
      given: {
        units: { 'a.service': { on: 'm1', id: '00000001' } },
        machines: { m1: { presence: 'absent' }, m2: {} },
      },
      plan: ['pending a.service (machine-id 1)'],
    },
    {
      name: 'frees the name of what nobody wants there',
      given: {
        units: { 'a.service': { on: 'm1', destroyed: true, releasing: true } },
        machines: { m1: { presence: 'absent' } },
      },
      plan: ['unplace a.service from m1 (machine-absent)'],
    },
    {
      name: 'settles a unit whose machine came back before it was replaced',
      given: {
        units: { 'a.service': { on: 'm1', pending: { reason: 'no-machines' } } },
        machines: ['m1'],
      },
      plan: ['settled a.service'],
    },
  ]);
});

describe('planEngine decides by other units, and says by which', () => {
  const follower = { of: ['b.service'] };
  it.for([
    ['places a follower', { 'a.service': follower, 'b.service': 'launched' }],
    ['evicts a follower', { 'a.service': { ...follower, on: 'm3' }, 'b.service': { on: 'm1' } }],
    ['releases a follower', { 'a.service': { ...follower, on: 'm2' }, 'b.service': { on: 'm1' } }],
    [
      'releases what another replaces',
      { 'a.service': { on: 'm1' }, 'b.service': { on: 'm1', replaces: ['a.service'] } },
    ],
    [
      'releases what conflicts',
      { 'a.service': { on: 'm1' }, 'b.service': { on: 'm1', conflicts: ['a.service'] } },
    ],
    ['a peer that is not there', { 'a.service': { ...follower, on: 'm1' } }],
  ] as const)('%s', ([, units]) => {
    const machines = { m1: {}, m2: {}, m3: { presence: 'absent' } } as const;
    const picture = cluster({ units, machines });
    const { actions } = planAll(picture);
    const [decided] = actions.filter(({ expected }) => expected.others !== undefined);
    const other = unitName(decided?.unit === 'a.service' ? 'b.service' : 'a.service');
    const revision = picture.unit(other)?.unitRevision ?? 0n;
    expect(decided?.expected.others).toEqual([{ unit: other, revision }]);
  });
});
