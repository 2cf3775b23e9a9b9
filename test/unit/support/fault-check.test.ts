// The judge of test/real/faults.test.ts and test/full/faults.test.ts: it must see what it is there to see.
import { describe, expect, it } from 'vitest';
import {
  breaches,
  disagreements,
  ranTwiceMs,
  type Allowed,
  type Seen,
} from '../../support/fault-check.ts';
import type { Happened, Run, Runs } from '../../support/fault-sight.ts';
import { faultUnits } from '../../support/fault-units.ts';

const known = new Map(faultUnits(20).map((unit) => [unit.name, unit]));
const machineIds = new Map([
  ['h1', 'a'.repeat(32)],
  ['h2', 'b'.repeat(32)],
]);

/** 'unit host' or 'unit host invocation', active. */
function runs(...lines: readonly string[]): Runs {
  return new Map(
    lines.map((line): [string, Run] => {
      const [unit = '', host = '', invocation = 'i1'] = line.split(' ');
      const state = { load: 'loaded', active: 'active', sub: 'running' };
      const run: Run = { unit, host, invocation, pid: 10, ...state };
      return [`${unit} ${host}`, run];
    }),
  );
}

describe('breaches', () => {
  const stop: Happened = { host: 'h1', unit: 'plain-1.service', what: 'stopping', atMs: 0 };
  it.for([
    { name: 'the same runs', after: ['plain-1.service h1'], then: [] },
    { name: 'another run', after: ['plain-1.service h1 i2'], then: [/is another run/] },
    { name: 'a unit that is gone', after: [], then: [/is gone from h1/] },
    { name: 'a unit that is gone from a dead host', after: [], dead: ['h1'], then: [] },
    {
      name: 'a stop, though all looks as before',
      after: ['plain-1.service h1'],
      happened: [stop],
      then: [/was stopped on h1/],
    },
    {
      name: 'a start of what ran',
      after: ['plain-1.service h1'],
      happened: [{ ...stop, what: 'started' as const }],
      then: [/was started again/],
    },
    {
      name: 'a move off a host that was there all along',
      after: ['plain-1.service h2'],
      left: ['plain-1.service h1'],
      then: [/is gone from h1/, /was moved away/],
    },
    {
      name: 'a move off an absent host, and its stop',
      after: ['plain-1.service h2'],
      left: ['plain-1.service h1'],
      absent: ['h1'],
      happened: [stop],
      then: [],
    },
    {
      name: 'a stop on an absent host of what was not moved',
      after: ['plain-1.service h1'],
      absent: ['h1'],
      happened: [stop],
      then: [/was stopped on h1/],
    },
  ])('sees $name', (row) => {
    const { after, happened = [], left = [], dead = [], absent = [], then } = row;
    const allowed: Allowed = { dead, absent, asked: new Set() };
    const before = runs('plain-1.service h1');
    const seen = { before, after: runs(...after), happened, left: new Set(left), known };
    const found = breaches(seen, allowed);
    expect(found.length, found.join('\n')).toBe(then.length);
    for (const pattern of then) expect(found.join('\n')).toMatch(pattern);
  });
});

it('ranTwiceMs tells how long a unit ran on a host that had lost it', () => {
  const at = (what: Happened['what'], host: string, atMs: number): Happened => {
    return { what, host, atMs, unit: 'plain-1.service' };
  };
  expect(ranTwiceMs([at('stopping', 'h1', 1_000), at('started', 'h2', 1_100)], known)).toBe(0);
  expect(ranTwiceMs([at('started', 'h2', 1_100), at('stopping', 'h1', 4_000)], known)).toBe(2_900);
  expect(ranTwiceMs([at('started', 'h1', 1_100), at('stopping', 'h1', 4_000)], known)).toBe(0);
});

describe('disagreements', () => {
  const unit = {
    name: 'plain-1.service',
    hash: '',
    sha256: '',
    description: '',
    generation: 1,
    global: false,
    desiredState: 'launched' as const,
    currentState: 'launched' as const,
    machineID: machineIds.get('h1')!,
  };
  const row = {
    name: unit.name,
    hash: '',
    machineID: unit.machineID,
    generation: 1,
    systemdLoadState: 'loaded',
    systemdActiveState: 'active',
    systemdSubState: 'running',
  };
  const well: Seen = {
    machineIds,
    hosts: ['h1', 'h2'],
    machines: [...machineIds.values()].map((id) => ({ id, status: 'ready' as const })),
    units: [unit],
    states: [row],
    runs: runs('plain-1.service h1'),
    known,
  };
  it.for<{ name: string; given: Partial<Seen>; then: RegExp | undefined }>([
    { name: 'nothing where all is well', given: {}, then: undefined },
    { name: 'an absent machine', given: { machines: [] }, then: /machines that are ready/ },
    { name: 'a unit that does not run', given: { runs: runs() }, then: /is not loaded on h1/ },
    {
      name: 'a second copy',
      given: { runs: runs('plain-1.service h1', 'plain-1.service h2') },
      then: /is on h2, and does not belong there/,
    },
    { name: 'an orphan', given: { units: [] }, then: /the cluster does not know it/ },
    { name: 'a missing row', given: { states: [] }, then: /no row says plain-1/ },
    {
      name: 'an untrue row',
      given: { states: [{ ...row, systemdActiveState: 'failed' }] },
      then: /a row says plain-1.* failed/,
    },
    {
      name: 'a refusal',
      given: { states: [{ ...row, refusal: 'the store went back' }] },
      then: /the store went back/,
    },
  ])('sees $name', ({ given, then }) => {
    const found = disagreements({ ...well, ...given }).join('\n');
    if (then === undefined) expect(found).toBe('');
    else expect(found).toMatch(then);
  });
});
