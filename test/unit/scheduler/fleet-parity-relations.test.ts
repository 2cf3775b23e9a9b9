// Units that are to be together or apart, and where fleet 1.0 places them. Ours agrees, or the row says why not.
import type { ParityRow } from '../../support/fleet-parity.ts';
import { machines, parityTable, put, up } from '../../support/fleet-parity.ts';

const TOGETHER: readonly ParityRow[] = [
  {
    name: 'MachineOf= goes to its unit, though the machine is the fullest',
    steps: [machines('m1', 'm2'), [put('a')], [put('b', { of: ['a'] })], [put('c', { of: ['a'] })]],
    places: 'a:m1 b:m1 c:m1',
  },
  {
    name: 'MachineOf= before its unit',
    steps: [machines('m1', 'm2'), [put('b', { of: ['a'] })], [put('x')], [put('a')]],
    places: 'a:m2 b:m2 x:m1',
  },
  {
    name: 'MachineOf= by the name of a unit that is not there',
    steps: [machines('m1'), [put('b', { of: ['a'] })]],
    places: '',
  },
  {
    name: 'MachineOf= of an inactive unit',
    steps: [machines('m1'), [put('a', { state: 'inactive' })], [put('b', { of: ['a'] })]],
    places: '',
  },
  {
    name: 'a chain of MachineOf=, all at once',
    steps: [
      [up('m1'), up('m2', { role: 'web' })],
      [put('a', { of: ['b'] }), put('b', { of: ['c'] }), put('c', { metadata: ['role=web'] })],
    ],
    places: 'a:m2 b:m2 c:m2',
  },
  {
    name: 'MachineOf= of two units that are apart',
    steps: [machines('m1', 'm2'), [put('a')], [put('b')], [put('c', { of: ['a', 'b'] })]],
    places: 'a:m1 b:m2',
  },
  {
    name: 'MachineOf= of two units that are together',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('b', { of: ['a'] })],
      [put('c', { of: ['a', 'b'] })],
    ],
    places: 'a:m1 b:m1 c:m1',
  },
  {
    name: 'MachineOf= of two units on one line',
    steps: [machines('m1'), [put('a')], [put('b')], [put('c', { of: ['a b'] })]],
    places: 'a:m1 b:m1 c:m1',
    original: { places: 'a:m1 b:m1', because: 'fleet-interface: we take several values on a line' },
  },
  {
    name: 'MachineOf= in a circle of two, of three, of one',
    steps: [
      machines('m1'),
      [put('a', { of: ['b'] }), put('b', { of: ['a'] })],
      [put('c', { of: ['d'] }), put('d', { of: ['e'] }), put('e', { of: ['c'] })],
      [put('f', { of: ['f'] })],
    ],
    places: '',
  },
  {
    name: 'MachineOf= of a global unit: wherever that runs',
    steps: [
      [up('m1'), up('m2', { role: 'web' })],
      [put('g', { global: true, metadata: ['role=web'] })],
      [put('a', { of: ['g'] })],
    ],
    places: 'a:m2 g:m2',
  },
  {
    name: 'MachineOf= of a global unit that runs everywhere: the least loaded',
    steps: [
      machines('m1', 'm2'),
      [put('g', { global: true })],
      [put('x')],
      [put('a', { of: ['g'] })],
    ],
    places: 'a:m2 g:m1,m2 x:m1',
  },
  {
    name: 'MachineOf= of a global unit that nobody started',
    steps: [
      machines('m1'),
      [put('g', { global: true, state: 'inactive' })],
      [put('a', { of: ['g'] })],
    ],
    places: '',
    original: {
      places: 'a:m1',
      because: 'the original took it for running: what is not there cannot be followed',
    },
  },
  {
    name: 'MachineOf=%p.socket',
    steps: [
      machines('m1', 'm2'),
      [put('x')],
      [put('app.socket')],
      [put('app', { of: ['%p.socket'] })],
    ],
    places: 'app.socket:m2 app:m2 x:m1',
  },
  {
    name: 'MachineOf=db@%l: beside the one that is named after the machine',
    steps: [
      machines('m1', 'm2'),
      [put('x')],
      [put('db@m2')],
      [put('y')],
      [put('db@m1', { id: '00000002' })],
      [put('app', { of: ['db@%l'] })],
    ],
    places: 'app:m2 db@m1:m2 db@m2:m2 x:m1 y:m1',
    original: {
      places: 'db@m1:m2 db@m2:m2 x:m1 y:m1',
      because: 'DESIGN §3: and the rest of systemd’s specifiers that make sense',
    },
  },
  {
    name: 'MachineOf=db@%i of an instance',
    steps: [machines('m1', 'm2'), [put('db@1')], [put('db@2')], [put('app@2', { of: ['db@%i'] })]],
    places: 'app@2:m2 db@1:m1 db@2:m2',
  },
  {
    name: 'MachineOf= with a MachineMetadata= that its unit’s machine lacks',
    steps: [
      [up('m1'), up('m2', { role: 'web' })],
      [put('a')],
      [put('b', { of: ['a'], metadata: ['role=web'] })],
    ],
    places: 'a:m1',
  },
  {
    name: 'MachineOf= with a Conflicts= that meets there: it has to wait',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('y'), put('x', { of: ['a'] })],
      [put('b', { of: ['a'], conflicts: ['x'] })],
    ],
    places: 'a:m1 x:m1 y:m2',
  },
];

const APART: readonly ParityRow[] = [
  {
    name: 'Conflicts= by glob: as many as there are machines',
    steps: [
      machines('m1', 'm2', 'm3'),
      ...[0, 1, 2, 3, 4].map((n) => [put(`c.${n}.service`, { conflicts: ['c.*.service'] })]),
    ],
    places: 'c.0:m1 c.1:m2 c.2:m3',
  },
  {
    name: 'Conflicts= only in the one that runs',
    steps: [machines('m1'), [put('a', { conflicts: ['b'] })], [put('b')]],
    places: 'a:m1',
  },
  {
    name: 'Conflicts= only in the newcomer',
    steps: [
      machines('m1', 'm2'),
      [put('a')],
      [put('x')],
      [put('y')],
      [put('b', { conflicts: ['a'] })],
    ],
    places: 'a:m1 b:m2 x:m2 y:m1',
  },
  {
    name: 'Conflicts= with several names on one line',
    steps: [machines('m1', 'm2', 'm3'), [put('a')], [put('b')], [put('c', { conflicts: ['a b'] })]],
    places: 'a:m1 b:m2 c:m3',
  },
  {
    name: 'Conflicts= on several lines',
    steps: [machines('m1', 'm2'), [put('a')], [put('b')], [put('c', { conflicts: ['a', 'b'] })]],
    places: 'a:m1 b:m2',
  },
  {
    name: 'Conflicts= with ? and a set',
    steps: [
      machines('m1', 'm2', 'm3'),
      [put('w1')],
      [put('w2')],
      [put('wx')],
      [put('a', { conflicts: ['w[12]', 'w?x'] })],
    ],
    places: 'a:m3 w1:m1 w2:m2 wx:m3',
  },
  {
    name: 'Conflicts= with a name that matches itself: no conflict with itself',
    steps: [machines('m1'), [put('a', { conflicts: ['*'] })]],
    places: 'a:m1',
  },
  {
    name: 'Conflicts=%p@* of instances',
    steps: [
      machines('m1', 'm2'),
      [put('w@1', { conflicts: ['%p@*'] })],
      [put('w@2', { conflicts: ['%p@*'] })],
      [put('w@3', { conflicts: ['%p@*'] })],
    ],
    places: 'w@1:m1 w@2:m2',
  },
  {
    name: 'Conflicts=slave@%i: one name for each instance',
    steps: [
      machines('m1', 'm2'),
      [put('slave@1')],
      [put('master@1', { conflicts: ['slave@%i'] })],
      [put('master@2', { conflicts: ['slave@%i'] })],
    ],
    places: 'master@1:m2 master@2:m1 slave@1:m1',
  },
  {
    name: 'Conflicts=keeper@%l: with the one that is named after the machine',
    steps: [
      machines('m1', 'm2'),
      [put('keeper@m1')],
      [put('x')],
      [put('a', { conflicts: ['keeper@%l'] })],
    ],
    places: 'a:m2 keeper@m1:m1 x:m2',
    original: {
      places: 'a:m1 keeper@m1:m1 x:m2',
      because: 'DESIGN §3: and the rest of systemd’s specifiers that make sense',
    },
  },
  {
    name: 'Conflicts= of a placed unit with a global one that runs everywhere',
    steps: [machines('m1', 'm2'), [put('g', { global: true })], [put('a', { conflicts: ['g'] })]],
    places: 'g:m1,m2',
  },
  {
    name: 'Conflicts= with a global unit that its metadata keeps away',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('g', { global: true, metadata: ['role=web'] })],
      [put('a', { conflicts: ['g'] })],
    ],
    places: 'a:m2 g:m1',
  },
  {
    name: 'Conflicts= of a global unit with a placed one: it runs on the others',
    steps: [machines('m1', 'm2', 'm3'), [put('a')], [put('g', { global: true, conflicts: ['a'] })]],
    places: 'a:m1 g:m2,m3',
  },
  {
    name: 'Conflicts= of a global unit that has the first name: the placed one stays all the same',
    steps: [machines('m1', 'm2'), [put('z')], [put('a', { global: true, conflicts: ['z'] })]],
    places: 'a:m2 z:m1',
    original: {
      places: 'a:m1,m2',
      because:
        'DESIGN §3: a placed unit beats a global one (there the host dropped it, and nothing ran it)',
    },
  },
  {
    name: 'Conflicts= of two global units: the first name runs everywhere',
    steps: [
      machines('m1', 'm2', 'm3'),
      [put('cg.0.service', { global: true, conflicts: ['cg.*.service'] })],
      [put('cg.1.service', { global: true, conflicts: ['cg.*.service'] })],
    ],
    places: 'cg.0:m1,m2,m3',
  },
  {
    name: 'Conflicts= of two global units where metadata keeps the first away',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('g', { global: true, metadata: ['role=web'] })],
      [put('h', { global: true, conflicts: ['g'] })],
    ],
    places: 'g:m1 h:m2',
  },
];

parityTable([
  ['MachineOf=', TOGETHER],
  ['Conflicts=', APART],
]);
