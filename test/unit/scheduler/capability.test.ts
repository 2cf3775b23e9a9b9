// Units that ask something of their host go only where the host says that it can do it.
import { describe, expect, it } from 'vitest';
import type { GlobalUnit } from '../../../src/model/unit.ts';
import type { ClusterPicture } from '../../../src/scheduler/cluster.ts';
import { pendingSentences } from '../../../src/scheduler/explain.ts';
import { globalsFor } from '../../../src/scheduler/globals.ts';
import { whyNot } from '../../../src/scheduler/why-not.ts';
import {
  cluster,
  line,
  machineId,
  machineRecord,
  planAll,
  unitName,
} from '../../support/cluster.ts';

const asks = (...names: readonly string[]) =>
  names.map((option) => {
    const [name = '', value = ''] = option.split('=');
    return { section: 'X-Fleet', name, value };
  });
const units = {
  'fenced.service': { options: asks('Fence=yes') },
  'stops.service': { options: asks('OnPartition=stop') },
  'keeps.service': { options: asks('OnPartition=keep') },
};

function picture(capabilities: Readonly<Record<string, string>>): ClusterPicture {
  const made = cluster({ units, machines: ['m1'] });
  made.applyMachine(machineId('m1'), { ...machineRecord('m1'), capabilities });
  return made;
}
const placed = (capabilities: Readonly<Record<string, string>>): readonly string[] =>
  planAll(picture(capabilities))
    .actions.filter(({ kind }) => kind === 'place')
    .map(({ unit }) => unit);

describe('a unit that asks something of its host', () => {
  it.for([
    { capabilities: {}, then: ['keeps.service'] },
    { capabilities: { fence: 'yes' }, then: ['fenced.service', 'keeps.service'] },
    {
      capabilities: { fence: 'yes', 'cut-off': 'yes' },
      then: ['fenced.service', 'keeps.service', 'stops.service'],
    },
  ])('goes to a machine with $capabilities: $then', ({ capabilities, then }) => {
    expect(placed(capabilities as Readonly<Record<string, string>>)).toEqual(then);
  });

  it('is placed when the machine says that it can, and leaves when it cannot any more', () => {
    const now = picture({});
    planAll(now);
    now.applyMachine(machineId('m1'), { ...machineRecord('m1'), capabilities: { fence: 'yes' } });
    expect(planAll(now).actions.map(line)).toContain('place fenced.service on m1 (unplaced)');
    const here = cluster({
      units: { 'fenced.service': { ...units['fenced.service'], on: 'm1' } },
      machines: ['m1'],
    });
    expect(planAll(here).actions.map(line)).toEqual([expect.stringContaining('release fenced')]);
  });

  it('says why it waits', () => {
    const explain = (name: string, capabilities: Readonly<Record<string, string>>) => {
      const now = picture(capabilities);
      return pendingSentences(whyNot(now, now.unit(unitName(name))!));
    };
    expect(explain('fenced.service', {})).toEqual([
      'machine 00000001 runs a fleetd that knows no Fence=',
    ]);
    expect(explain('stops.service', { fence: 'yes' })).toEqual([
      'machine 00000001 does not promise OnPartition=stop (its fleetd is too old, or its agent_ttl below 10s)',
    ]);
  });

  it('runs as a global unit only on hosts that can', () => {
    const global: GlobalUnit = {
      name: unitName('g.service'),
      hash: '',
      sha256: '',
      desiredState: 'launched',
      generation: 1,
      options: asks('Global=yes', 'Fence=yes'),
      release: false,
    };
    const facts = {
      id: machineId('m1'),
      hostname: 'm1',
      metadata: {},
      globals: [global],
      assigned: [],
    };
    expect(globalsFor(facts).run).toEqual([]);
    expect(globalsFor({ ...facts, capabilities: { fence: 'yes' } }).run).toEqual(['g.service']);
  });
});
