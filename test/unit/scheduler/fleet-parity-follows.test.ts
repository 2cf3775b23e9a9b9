// What follows and what is driven away in fleet 1.0. Ours agrees, or the row says why not.
import type { ParityRow } from '../../support/fleet-parity.ts';
import {
  destroy,
  gone,
  machines,
  NEVER_RESTS,
  parityTable,
  put,
  up,
  want,
} from '../../support/fleet-parity.ts';

const FOLLOWING: readonly ParityRow[] = [
  {
    name: 'the machine of a chain is lost: it moves as a whole',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b', { of: ['a'] })],
      [put('c', { of: ['b'] })],
      [gone('m1')],
    ],
    places: 'a:m2 b:m2 c:m2',
  },
  {
    name: 'its unit moves because of metadata: it follows',
    steps: [
      [up('m1', { role: 'web' }), up('m2', { role: 'web' })],
      [put('a', { metadata: ['role=web'] })],
      [put('b', { of: ['a'] })],
      [up('m1', {})],
    ],
    places: 'a:m2 b:m2',
  },
  {
    name: 'its unit is destroyed: it waits, and what follows it too',
    steps: [
      machines('m1'),
      [put('a')],
      [put('b', { of: ['a'] })],
      [put('c', { of: ['b'] })],
      [destroy('a')],
    ],
    places: '',
  },
  {
    name: 'its unit is unloaded: it waits; loaded again, it follows to the new machine',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b', { of: ['a'] })],
      [want('a', 'inactive')],
      [put('x')],
      [want('a', 'launched')],
    ],
    places: 'a:m2 b:m2 x:m1',
  },
  {
    name: 'its unit is only stopped: it stays',
    steps: [machines('m1', 'm2'), [put('a')], [put('b', { of: ['a'] })], [want('a', 'loaded')]],
    places: 'a:m1 b:m1',
  },
  {
    name: 'its unit becomes another: the new version follows that',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('x')],
      [put('b', { of: ['a'] })],
      [put('b', { of: ['x'] })],
    ],
    places: 'a:m1 b:m2 x:m2',
  },
  {
    name: 'a circle that comes about among units that run is left in peace',
    steps: [machines('m1', 'm2'), [put('a')], [put('b', { of: ['a'] })], [put('a', { of: ['b'] })]],
    places: 'a:m1 b:m1',
  },
  {
    name: 'the global unit that it follows leaves the machine',
    steps: [
      [up('m1', { role: 'web' }), up('m2', { role: 'web' })],
      [put('g', { global: true, metadata: ['role=web'] })],
      [put('a', { of: ['g'] })],
      [up('m1', {})],
    ],
    places: 'a:m2 g:m2',
  },
];

const REPLACING: readonly ParityRow[] = [
  {
    name: 'a newcomer on the machine of what it replaces: that goes to the other',
    steps: [
      machines('m1', 'm2'),
      [put('replace.0.service')],
      [put('replace.1.service')],
      [put('replace.2.service', { of: ['replace.1.service'] })],
      [put('kick', { replaces: ['replace.0.service'] })],
    ],
    places: 'kick:m1 replace.0:m2 replace.1:m2 replace.2:m2',
    original: 'in some order',
  },
  {
    name: 'a newcomer that another machine is better for: nothing is driven away',
    steps: [machines('m1', 'm2'), [put('a')], [put('kick', { replaces: ['a'] })]],
    places: 'a:m1 kick:m2',
  },
  {
    name: 'two that are together are replaced: both go',
    steps: [
      machines('m1'),
      [put('a')],
      [put('b')],
      [up('m2')],
      [put('x', { id: '00000002' })],
      [put('y', { id: '00000002' })],
      [put('z', { id: '00000002' })],
      [put('kick', { replaces: ['[ab]'] })],
    ],
    places: 'a:m2 b:m2 kick:m1 x:m2 y:m2 z:m2',
    original: 'in some order',
  },
  {
    name: 'the follower of what is replaced goes with it',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b', { of: ['a'] })],
      [put('x', { id: '00000002' })],
      [put('y', { id: '00000002' })],
      [put('kick', { replaces: ['a'] })],
    ],
    places: 'a:m2 b:m2 kick:m1 x:m2 y:m2',
    original: 'in some order',
  },
  {
    name: 'what is replaced comes back while the other runs: not beside it, though that machine has less to do',
    steps: [
      machines('m1', 'm2'),
      [put('x', { id: '00000001' }), put('y', { id: '00000001' })],
      [put('kick', { replaces: ['a'] })],
      [put('a')],
    ],
    places: 'a:m1 kick:m2 x:m1 y:m1',
    original: 'in some order',
  },
  {
    name: 'what is replaced is the only one there, and there is one machine: it waits',
    steps: [machines('m1'), [put('a')], [put('kick', { replaces: ['a'] })]],
    places: 'kick:m1',
    original: {
      places: NEVER_RESTS,
      because:
        'a fault of the original: it took the unit off and put it back in every pass; DESIGN §1.1 forbids it',
    },
  },
  {
    name: 'what is replaced may run nowhere else: it waits',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('a', { metadata: ['role=web'] })],
      [put('x', { id: '00000002' }), put('y', { id: '00000002' })],
      [put('kick', { replaces: ['a'] })],
    ],
    places: 'kick:m1 x:m2 y:m2',
    original: {
      places: 'a:m1 kick:m2 x:m2 y:m2',
      because:
        'the original moved either of the two, and asked no machine whether it may run it; fleet-interface: kick0 runs on replace.0’s old machine',
    },
  },
  {
    name: 'two that replace each other: the second waits',
    steps: [machines('m1', 'm2'), [put('a', { replaces: ['b'] })], [put('b', { replaces: ['a'] })]],
    places: 'a:m1',
    original: {
      places: 'a:m1 b:m2',
      because:
        'fleet-interface, ScheduleCircularReplace: only 1 active, as its own test said (its code passed over such options)',
    },
  },
  {
    name: 'the first of two that replace each other goes: the second is placed',
    steps: [
      machines('m1', 'm2'),
      [put('a', { replaces: ['b'] })],
      [put('b', { replaces: ['a'] })],
      [destroy('a')],
    ],
    places: 'b:m1',
    original: {
      places: 'b:m2',
      because:
        'fleet-interface, ScheduleCircularReplace: only 1 active; the second had not been placed before',
    },
  },
  {
    name: 'what replaces is itself to be with what it replaces, by way of another: it waits',
    steps: [
      machines('m1', 'm2'),
      [put('b')],
      [put('c', { of: ['b'] })],
      [put('a', { of: ['c'], replaces: ['b'] })],
    ],
    places: 'b:m1 c:m1',
    original: {
      places: NEVER_RESTS,
      because: 'no order of things satisfies it: the original moved all three for ever',
    },
  },
  {
    name: 'Replaces= with two names on one line',
    steps: [
      machines('m1'),
      [put('a')],
      [up('m2')],
      [put('x', { id: '00000002' }), put('y', { id: '00000002' })],
      [put('kick', { replaces: ['a q'] })],
    ],
    places: 'a:m2 kick:m1 x:m2 y:m2',
    original: {
      places: 'a:m1 kick:m1 x:m2 y:m2',
      because: 'fleet-interface: we take several values on a line',
    },
  },
];

parityTable([
  ['following', FOLLOWING],
  ['Replaces=', REPLACING],
]);
