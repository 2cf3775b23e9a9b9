// Small clusters, and what fleet 1.0 places where: least units, then machine id. Ours agrees, or the row says why not.
import type { ParityRow } from '../../support/fleet-parity.ts';
import { machines, parityTable, put, up } from '../../support/fleet-parity.ts';

const LOAD: readonly ParityRow[] = [
  { name: 'one unit, no machine', steps: [[put('a')]], places: '' },
  {
    name: 'one unit: the lowest id',
    steps: [machines('m3', 'm1', 'm2'), [put('a')]],
    places: 'a:m1',
  },
  {
    name: 'one after the other: round the machines',
    steps: [machines('m1', 'm2'), [put('a')], [put('b')], [put('c')], [put('d')]],
    places: 'a:m1 b:m2 c:m1 d:m2',
  },
  {
    name: 'all at once: ours goes by name, the original by no order at all',
    steps: [machines('m1', 'm2'), [put('b'), put('a'), put('c')]],
    places: 'a:m1 b:m2 c:m1',
    original: 'in some order',
  },
  {
    name: 'a loaded unit is placed like a launched one, and counts',
    steps: [machines('m1', 'm2'), [put('a', { state: 'loaded' })], [put('b')]],
    places: 'a:m1 b:m2',
  },
  {
    name: 'an inactive unit is placed nowhere and counts nowhere',
    steps: [machines('m1', 'm2'), [put('a', { state: 'inactive' })], [put('b')], [put('c')]],
    places: 'b:m1 c:m2',
  },
  {
    name: 'a global unit counts where its metadata lets it run',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('g', { global: true, metadata: ['role=web'] })],
      [put('a')],
    ],
    places: 'a:m2 g:m1',
  },
  {
    name: 'a global unit counts on a machine that comes later too',
    steps: [
      [up('m2')],
      [put('g', { global: true, metadata: ['role=web'] })],
      [up('m1', { role: 'web' })],
      [put('a')],
    ],
    places: 'a:m2 g:m1',
  },
  {
    name: 'a global unit that gives way to a placed one does not count there',
    steps: [
      machines('m1', 'm2'),
      [put('b')],
      [put('a')],
      [put('g', { global: true, conflicts: ['a'] })],
      [put('c')],
    ],
    places: 'a:m2 b:m1 c:m2 g:m1',
  },
  {
    name: 'a stopped global unit counts no longer',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('g', { global: true, metadata: ['role=web'], state: 'inactive' })],
      [put('a')],
    ],
    places: 'a:m1',
    original: {
      places: 'a:m2',
      because:
        'the original counted global units that nobody had started; DESIGN §3: load is what runs',
    },
  },
];

const MACHINE: readonly ParityRow[] = [
  {
    name: 'MachineID= in full',
    steps: [machines('m1', 'm2'), [put('a', { id: `00000002${'0'.repeat(24)}` })]],
    places: 'a:m2',
  },
  {
    name: 'MachineID= by its first 8, though the machine is the fullest',
    steps: [
      machines('m1', 'm2'),
      [put('a', { id: '00000002' })],
      [put('b', { id: '00000002' })],
      [put('c')],
    ],
    places: 'a:m2 b:m2 c:m1',
  },
  {
    name: 'MachineID= by its first 7: nowhere',
    steps: [machines('m1', 'm2'), [put('a', { id: '0000000' })]],
    places: '',
  },
  {
    name: 'MachineID= of a machine that is not there',
    steps: [machines('m1'), [put('a', { id: '00000009' })]],
    places: '',
  },
  {
    name: 'MachineID=%i in an instance',
    steps: [machines('m1', 'm2'), [put('pin@00000002', { id: '%i' })]],
    places: 'pin@00000002:m2',
  },
  {
    name: 'MachineMetadata= of one key and value',
    steps: [[up('m1'), up('m2', { role: 'web' })], [put('a', { metadata: ['role=web'] })]],
    places: 'a:m2',
  },
  {
    name: 'MachineMetadata= with another value there',
    steps: [[up('m1', { role: 'db' })], [put('a', { metadata: ['role=web'] })]],
    places: '',
  },
  {
    name: 'MachineMetadata= of two values of a key: either, the least loaded',
    steps: [
      [up('m1', { role: 'db' }), up('m2', { role: 'web' }), up('m3')],
      [put('a', { metadata: ['role=web', 'role=db'] })],
      [put('b', { metadata: ['role=web', 'role=db'] })],
      [put('c', { metadata: ['role=web', 'role=db'] })],
    ],
    places: 'a:m1 b:m2 c:m1',
  },
  {
    name: 'MachineMetadata= of two keys: both',
    steps: [
      [
        up('m1', { role: 'web' }),
        up('m2', { disk: 'ssd' }),
        up('m3', { role: 'web', disk: 'ssd' }),
      ],
      [put('a', { metadata: ['role=web', 'disk=ssd'] })],
    ],
    places: 'a:m3',
  },
  {
    name: 'MachineMetadata=hostname=%i in an instance',
    steps: [
      [up('m1', { hostname: 'one' }), up('m2', { hostname: 'two' })],
      [
        put('meta@two', { metadata: ['hostname=%i'] }),
        put('meta@no', { metadata: ['hostname=%i'] }),
      ],
    ],
    places: 'meta@two:m2',
  },
  {
    name: 'MachineMetadata=hostname=%H',
    steps: [
      [up('m1', { owner: 'm9' }), up('m2', { owner: 'm2' })],
      [put('a', { metadata: ['owner=%H'] })],
    ],
    places: 'a:m2',
    original: {
      places: '',
      because: 'DESIGN §3: and the rest of systemd’s specifiers that make sense',
    },
  },
  {
    name: 'MachineMetadata= without a value',
    steps: [[up('m1')], [put('a', { metadata: ['role='] })]],
    places: '',
    original: {
      places: 'a:m1',
      because:
        'DESIGN §3: a value that cannot be understood is refused (the original ran it anywhere)',
    },
  },
  {
    name: 'MachineID= together with MachineMetadata=: both',
    steps: [
      [up('m1', { role: 'web' }), up('m2')],
      [put('a', { id: '00000002', metadata: ['role=web'] })],
      [put('b', { id: '00000001', metadata: ['role=web'] })],
    ],
    places: 'b:m1',
  },
];

parityTable([
  ['by load', LOAD],
  ['by machine', MACHINE],
]);
