// Which global units a host runs, one row a situation.
import { describe, expect, it } from 'vitest';
import { globalsFor } from '../../../src/scheduler/globals.ts';
import type { UnitWords } from '../../support/cluster.ts';
import { assignmentRecord, globalRecord, machineId, unitRecord } from '../../support/cluster.ts';

interface Row {
  readonly name: string;
  readonly globals: Readonly<Record<string, UnitWords>>;
  readonly assigned?: Readonly<Record<string, UnitWords>>;
  readonly expected: readonly string[];
}

function decide({ globals, assigned = {} }: Row): string[] {
  const id = machineId('m1');
  const { run, refused, released, leftAlone } = globalsFor({
    id,
    hostname: 'm1',
    metadata: { role: 'web' },
    globals: Object.entries(globals).map(([name, words]) =>
      globalRecord(unitRecord(name, { ...words, global: true }), words.releasing),
    ),
    assigned: Object.entries(assigned).map(([name, words]) =>
      assignmentRecord(unitRecord(name, words), id, words.releasing === true),
    ),
  });
  return [
    ...run.map((name) => `run ${name}`),
    ...refused.map(({ name, refusal }) => `refuse ${name} (${refusal.kind})`),
    ...released.map((name) => `release ${name}`),
    ...leftAlone.map((name) => `leave ${name} alone`),
  ];
}

describe('globalsFor', () => {
  it.for<Row>([
    {
      name: 'runs what has no requirements',
      globals: { 'g.service': {} },
      expected: ['run g.service'],
    },
    {
      name: 'refuses what its metadata does not allow',
      globals: { 'g.service': { metadata: ['role=db'] }, 'h.service': { metadata: ['role=web'] } },
      expected: ['run h.service', 'refuse g.service (metadata)'],
    },
    {
      name: 'takes %H, %l and %m for the host itself, in what is placed too',
      globals: {
        'a.service': { metadata: ['role=web', 'role=%H'] },
        'b.service': { metadata: ['role=%H'] },
        'm1.service': {},
        'c.service': { conflicts: ['y@%m.*'] },
      },
      assigned: {
        'z.service': { conflicts: ['%l.*'] },
        [`y@${machineId('m1')}.service`]: {},
      },
      expected: [
        'run a.service',
        'refuse b.service (metadata)',
        'refuse c.service (conflict)',
        'refuse m1.service (conflict)',
      ],
    },
    {
      name: 'lets a placed unit win, whoever of the two declares the conflict',
      globals: { 'a.service': {}, 'b.service': { conflicts: ['z*'] } },
      assigned: { 'z.service': { conflicts: ['a.*'] } },
      expected: ['refuse a.service (conflict)', 'refuse b.service (conflict)'],
    },
    {
      name: 'waits for a placed unit that is being released',
      globals: { 'a.service': { conflicts: ['z.service'] } },
      assigned: { 'z.service': { releasing: true } },
      expected: ['refuse a.service (conflict)'],
    },
    {
      name: 'lets the first name of two win, and the third that only the second minds',
      globals: {
        'c.service': {},
        'a.service': {},
        'b.service': { conflicts: ['a.service', 'c.service'] },
      },
      expected: ['run a.service', 'run c.service', 'refuse b.service (conflict)'],
    },
    {
      name: 'gives way to a placed unit that replaces it',
      globals: { 'a.service': {} },
      assigned: { 'z.service': { replaces: ['a.*'] } },
      expected: ['refuse a.service (replaces)'],
    },
    {
      name: 'releases what is marked, and leaves alone what is inactive or not understood',
      globals: {
        'a.service': { releasing: true },
        'b.service': { state: 'inactive' },
        'c.service': { metadata: ['malformed'] },
      },
      expected: ['release a.service', 'leave b.service alone', 'leave c.service alone'],
    },
  ])('$name', (row) => {
    expect(decide(row)).toEqual(row.expected);
  });
});
