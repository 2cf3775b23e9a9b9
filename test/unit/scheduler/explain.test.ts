// What a person reads about a unit that waits.
import { describe, expect, it } from 'vitest';
import type { Pending, Refusal } from '../../../src/model/refusal.ts';
import { pendingSentences, refusalSentence } from '../../../src/scheduler/explain.ts';
import { whyNot } from '../../../src/scheduler/why-not.ts';
import {
  cluster,
  line,
  machineId,
  machineRecord,
  planAll,
  unitName,
} from '../../support/cluster.ts';

describe('refusalSentence names the required and the actual value', () => {
  it.for<[Refusal, string]>([
    [
      { kind: 'metadata', key: 'role', required: ['web', 'db'], actual: undefined },
      'machine 00000001 has no metadata role (needs role=web or role=db)',
    ],
    [
      { kind: 'metadata', key: 'role', required: ['web'], actual: 'db' },
      'machine 00000001 has metadata role=db (needs role=web)',
    ],
    [
      { kind: 'machine-id', required: '85c0c595', actual: machineId('m1') },
      'machine 00000001 is not the required machine 85c0c595',
    ],
    [
      { kind: 'machine-of', peer: unitName('a.service'), peerOn: machineId('m2') },
      'machine 00000001 does not run a.service, which must be there and is on machine 00000002',
    ],
    [
      { kind: 'machine-of', peer: unitName('a.service'), peerOn: undefined },
      'machine 00000001 does not run a.service, which must be there and is not placed',
    ],
    [
      {
        kind: 'conflict',
        with: unitName('a.service'),
        pattern: 'a.*',
        declaredBy: unitName('b.service'),
      },
      'machine 00000001 runs a.service (b.service has Conflicts=a.*)',
    ],
    [{ kind: 'leaving' }, 'machine 00000001 is leaving the cluster'],
  ])('%#', ([refusal, sentence]) => {
    expect(refusalSentence(machineId('m1'), refusal)).toBe(sentence);
  });
});

describe('pendingSentences', () => {
  it('counts the machines by what they refuse for, and names them', () => {
    const picture = cluster({
      units: {
        'a.service': { metadata: ['role=web'], conflicts: ['b.service'] },
        'b.service': { on: 'm3' },
      },
      machines: { m1: {}, m2: { presence: 'leaving' }, m3: { metadata: { role: 'web' } } },
    });
    const unit = picture.unit(unitName('a.service'));
    expect(unit && pendingSentences(whyNot(picture, unit))).toEqual([
      '3 machines refuse: 1 by Conflicts=, 1 by leaving the cluster, 1 by MachineMetadata=',
      'machine 00000001 has no metadata role (needs role=web)',
      'machine 00000002 is leaving the cluster',
      'machine 00000003 runs b.service (a.service has Conflicts=b.service)',
    ]);
  });

  it('says once what all machines lack for a Quadlet file', () => {
    const has = { has: ['podman'] } as const;
    const picture = cluster({
      units: {
        'a.container': { options: [{ section: 'X-Fleet', name: 'Runtime', value: 'docker' }] },
        'b.container': 'launched',
        'c.pod': { metadata: ['role=web'] },
      },
      machines: { m1: has, m2: has, m3: { metadata: { role: 'web' } } },
    });
    const said = (name: string): readonly string[] | undefined => {
      const unit = picture.unit(unitName(name));
      return unit && pendingSentences(whyNot(picture, unit));
    };
    expect(said('a.container')).toEqual(['3 machines have no docker']);
    expect(said('c.pod')?.at(-1)).toBe('machine 00000003 has no podman');
    expect(planAll(picture).actions.map(line)).toEqual([
      'pending a.container (runtime 3)',
      'place b.container on m1 (unplaced)',
      'pending c.pod (metadata 2, runtime 1)',
    ]);
    // It comes when one of them gets it.
    picture.applyMachine(machineId('m2'), {
      ...machineRecord('m2'),
      capabilities: { docker: '20.10', podman: '1.0' },
    });
    picture.takeDirty(10);
    expect(planAll(picture).actions.map(line)).toContain('place a.container on m2 (unplaced)');
  });

  it.for([
    {
      on: ['m1'],
      lines: [
        'machine 00000001 runs it already, unknown to the store (an orphan), and may not take it up',
        'stop it there (systemctl stop a.service), and it is placed elsewhere; or end it everywhere: fleetctl destroy a.service',
      ],
    },
    {
      on: ['m1', 'm2'],
      lines: [
        'machines 00000001, 00000002 run it already, unknown to the store (orphans)',
        'stop it on all but one of them (systemctl stop a.service), and it is taken up there; or end it everywhere: fleetctl destroy a.service',
      ],
    },
  ])('says where orphans of it run, and what to do: $on', ({ on, lines }) => {
    const name = unitName('a.service');
    const orphans = on.map(machineId);
    const pending = { name, generation: 1, counts: {}, machines: [], reason: 'orphan', orphans };
    expect(pendingSentences(pending as Pending)).toEqual(lines);
  });

  it('names at most 20 machines and counts them all', () => {
    const machines = Array.from({ length: 30 }, (_, n) => `m${n + 1}` as const);
    const picture = cluster({ units: { 'a.service': { id: 'ffffffff' } }, machines });
    const unit = picture.unit(unitName('a.service'));
    const pending = unit && whyNot(picture, unit);
    expect(pending?.machines).toHaveLength(20);
    expect(pending?.counts).toEqual({ 'machine-id': 30 });
  });
});
