// What moves in fleet 1.0 when units and machines come, go and change. Ours agrees, or the row says why not.
import type { ParityRow } from '../../support/fleet-parity.ts';
import {
  destroy,
  gone,
  leaves,
  machines,
  parityTable,
  put,
  up,
  want,
} from '../../support/fleet-parity.ts';

const MACHINES: readonly ParityRow[] = [
  {
    name: 'a machine joins: nothing moves',
    steps: [machines('m1'), [put('a')], [put('b')], [put('c')], [up('m2')]],
    places: 'a:m1 b:m1 c:m1',
  },
  {
    name: 'a machine joins: the next units go there until it is level',
    steps: [machines('m2'), [put('a')], [put('b')], [up('m1')], [put('c')], [put('d')], [put('e')]],
    places: 'a:m2 b:m2 c:m1 d:m1 e:m1',
  },
  {
    name: 'a machine joins: what waited for one is placed there',
    steps: [
      machines('m1'),
      [put('a')],
      [put('b', { conflicts: ['a'] })],
      [put('c', { metadata: ['role=db'] })],
      [up('m2', { role: 'db' })],
    ],
    places: 'a:m1 b:m2 c:m2',
  },
  {
    name: 'a machine joins: a global unit runs there too',
    steps: [machines('m1'), [put('g', { global: true })], [up('m2')]],
    places: 'g:m1,m2',
  },
  {
    name: 'a machine is lost: its units go to the least loaded of the others, the rest stays',
    steps: [
      machines('m1', 'm2', 'm3'),
      [put('a')],
      [put('b')],
      [put('c')],
      [put('d')],
      [gone('m2')],
    ],
    places: 'a:m1 b:m3 c:m3 d:m1',
  },
  {
    name: 'a machine is lost with several units: they are spread',
    steps: [machines('m1'), [put('a')], [put('b')], [up('m2'), up('m3')], [gone('m1')]],
    places: 'a:m2 b:m3',
    original: 'in some order',
  },
  {
    name: 'a machine is lost and comes back: nothing moves back',
    steps: [machines('m1', 'm2'), [put('a')], [gone('m1')], [up('m1')]],
    places: 'a:m2',
  },
  {
    name: 'the only machine is lost, and another joins',
    steps: [machines('m1'), [put('a')], [gone('m1')], [up('m2')]],
    places: 'a:m2',
  },
  {
    name: 'a machine is lost and nothing else may run its unit: it is there again when the machine is',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('a', { metadata: ['role=web'] })],
      [gone('m1')],
      [up('m1', { role: 'web' })],
    ],
    places: 'a:m1',
  },
  {
    name: 'a machine is lost, its unit fits nowhere, and two machines come: it goes to the least loaded',
    steps: [
      [up('m2', { role: 'web' })],
      [put('a', { metadata: ['role=web'] })],
      [gone('m2')],
      [up('m1', { role: 'web' }), up('m2', { role: 'web' })],
    ],
    places: 'a:m2',
    original: {
      places: 'a:m1',
      because:
        'DESIGN §3: a unit that no other machine may take stays assigned; one that comes back keeps everything untouched',
    },
  },
  {
    name: 'a machine leaves in order: its units go on elsewhere',
    steps: [machines('m1', 'm2', 'm3'), [put('a')], [put('b')], [leaves('m1')]],
    places: 'a:m3 b:m2',
  },
  {
    name: 'a machine with one of three conflicting units leaves four: it goes to the free one',
    steps: [
      machines('m1', 'm2', 'm3', 'm4'),
      ...[0, 1, 2].map((n) => [put(`c.${n}.service`, { conflicts: ['c.*.service'] })]),
      [leaves('m2')],
    ],
    places: 'c.0:m1 c.1:m4 c.2:m3',
  },
  {
    name: 'a machine leaves with a pair: they stay together',
    steps: [
      machines('m1', 'm2', 'm3'),
      ...[0, 1, 2].map((n) => [
        put(`ping.${n}.service`),
        put(`pong.${n}.service`, { of: [`ping.${n}.service`] }),
      ]),
      [leaves('m2')],
    ],
    places: 'ping.0:m1 ping.1:m1 ping.2:m3 pong.0:m1 pong.1:m1 pong.2:m3',
  },
  {
    name: 'a machine loses the metadata that a unit needs',
    steps: [
      [up('m1', { role: 'web' }), up('m2', { role: 'web' })],
      [put('a', { metadata: ['role=web'] })],
      [put('g', { global: true, metadata: ['role=web'] })],
      [up('m1', {})],
    ],
    places: 'a:m2 g:m2',
  },
  {
    name: 'a machine gets metadata: nothing moves there, what waited for it goes',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b', { metadata: ['role=db'] })],
      [up('m1', { role: 'db' })],
    ],
    places: 'a:m1 b:m1',
  },
];

const UNITS: readonly ParityRow[] = [
  {
    name: 'a unit is unloaded and started again: the least loaded, not where it was',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b')],
      [want('a', 'inactive')],
      [put('c')],
      [put('d', { id: '00000001' })],
      [want('a', 'launched')],
    ],
    places: 'a:m2 b:m2 c:m1 d:m1',
  },
  {
    name: 'a unit is stopped, not unloaded: it keeps its machine, and counts',
    steps: [machines('m1', 'm2'), [put('a')], [want('a', 'loaded')], [put('b')]],
    places: 'a:m1 b:m2',
  },
  {
    name: 'a unit is destroyed: its place counts no longer',
    steps: [machines('m1', 'm2'), [put('a')], [put('b')], [destroy('a')], [put('c')], [put('d')]],
    places: 'b:m2 c:m1 d:m1',
  },
  {
    name: 'a unit is replaced: it stays in place',
    steps: [machines('m1', 'm2'), [put('a')], [put('b')], [put('c')], [put('c', { metadata: [] })]],
    places: 'a:m1 b:m2 c:m1',
  },
  {
    name: 'a unit is replaced by a version that its machine may not run: it moves',
    steps: [
      [up('m1'), up('m2', { role: 'web' })],
      [put('a')],
      [put('a', { metadata: ['role=web'] })],
    ],
    places: 'a:m2',
  },
  {
    name: 'a unit is replaced by a version that conflicts with its neighbour: one of the two moves',
    steps: [machines('m1'), [put('a')], [put('b')], [up('m2')], [put('b', { conflicts: ['a'] })]],
    places: 'a:m1 b:m2',
    original: 'in some order',
  },
  {
    name: 'the same, where the first name declares it: the other moves, the first name stays',
    steps: [machines('m1'), [put('a')], [put('b')], [up('m2')], [put('a', { conflicts: ['b'] })]],
    places: 'a:m1 b:m2',
    original: 'in some order',
  },
  {
    name: 'the same with one machine: one of the two has to wait',
    steps: [machines('m1'), [put('a')], [put('b')], [put('b', { conflicts: ['a'] })]],
    places: 'a:m1',
    original: 'in some order',
  },
  {
    name: 'a unit becomes global: it runs everywhere, and its old place is free',
    steps: [machines('m1', 'm2'), [put('a')], [put('a', { global: true })], [put('b')], [put('c')]],
    places: 'a:m1,m2 b:m1 c:m2',
  },
  {
    name: 'a global unit becomes one of one machine: the least loaded',
    steps: [machines('m1', 'm2'), [put('a', { global: true })], [put('b')], [put('a')]],
    places: 'a:m2 b:m1',
  },
  {
    name: 'a conflicting unit is destroyed: what waited for that is placed, the others stay',
    steps: [
      machines('m1', 'm2'),
      ...[0, 1, 2].map((n) => [put(`c.${n}.service`, { conflicts: ['c.*.service'] })]),
      [destroy('c.0.service')],
    ],
    places: 'c.1:m2 c.2:m1',
  },
  {
    name: 'a conflicting unit is unloaded: what waited for that is placed',
    steps: [machines('m1'), [put('a', { conflicts: ['b'] })], [put('b')], [want('a', 'inactive')]],
    places: 'b:m1',
  },
  {
    name: 'a conflicting unit is only stopped: the other goes on waiting',
    steps: [machines('m1'), [put('a', { conflicts: ['b'] })], [put('b')], [want('a', 'loaded')]],
    places: 'a:m1',
  },
  {
    name: 'a unit is replaced by a version that a global one gives way to: what follows that moves',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('x')],
      [put('g', { global: true, conflicts: ['q'] })],
      [put('f', { of: ['g'] })],
      [put('a', { conflicts: ['g'] })],
    ],
    places: 'a:m1 f:m2 g:m2 x:m2',
  },
  {
    name: 'a global unit is unloaded: what conflicts with it is placed',
    steps: [
      machines('m1'),
      [put('g', { global: true })],
      [put('a', { conflicts: ['g'] })],
      [want('g', 'inactive')],
    ],
    places: 'a:m1',
    original: {
      places: '',
      because:
        'the original kept machines free for global units that nobody wanted; DESIGN §3: load and conflicts are with what runs',
    },
  },
  {
    name: 'a global unit is destroyed: what conflicts with it is placed',
    steps: [
      machines('m1'),
      [put('g', { global: true })],
      [put('a', { conflicts: ['g'] })],
      [destroy('g')],
    ],
    places: 'a:m1',
  },
  {
    name: 'the unit that a global one gives way to is destroyed',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('g', { global: true, conflicts: ['a'] })],
      [destroy('a')],
    ],
    places: 'g:m1,m2',
  },
];

parityTable([
  ['machines come and go', MACHINES],
  ['units change', UNITS],
]);
