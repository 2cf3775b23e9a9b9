import { describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import { planHost } from '../../../src/reconcile/host-plan.ts';
import { stateRows } from '../../../src/reconcile/host-rows.ts';
import { picture, type HostWords } from '../../support/host-picture.ts';

const rowsOf = (words: HostWords, results: Readonly<Record<string, string>> = {}) => {
  const given = picture(words);
  const { refusals, orphans } = planHost(given);
  const active = { loadState: 'loaded', activeState: 'active', subState: 'running' };
  return stateRows({
    machine: 'c'.repeat(32) as MachineId,
    incarnation: 'boot',
    wanted: given.wanted,
    carriedOut: given.carriedOut,
    refusals,
    orphans: new Set(orphans),
    states: new Map([...given.carriedOut.keys()].map((name) => [name, active])),
    results: new Map(Object.entries(results)) as unknown as ReadonlyMap<UnitName, string>,
  });
};

describe('stateRows', () => {
  it('stateRows says what runs, in which generation', () => {
    const rows = rowsOf({
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A' },
    });
    expect(rows.get('a.service' as UnitName)).toMatchObject({
      generation: 3,
      started: 3,
      activeState: 'active',
      incarnation: 'boot',
    });
  });

  it('stateRows says why a unit has failed since it was started', () => {
    const words: HostWords = {
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A' },
    };
    const row = rowsOf(words, { 'a.service': 'signal' }).get('a.service' as UnitName);
    expect(row).toMatchObject({ started: 3, result: 'signal' });
    expect(rowsOf(words).get('a.service' as UnitName)).not.toHaveProperty('result');
  });

  it('stateRows has no row for an orphan', () => {
    expect(rowsOf({ done: { 'a.service': 'launched 3 A' } }).size).toBe(0);
  });

  it('stateRows has a row with a reason for what is refused', () => {
    const rows = rowsOf({
      keep: { 'ssh.service': 'launched 1 A' },
      elsewhere: { 'ssh.service': '/lib/systemd/system/ssh.service' },
    });
    expect(rows.get('ssh.service' as UnitName)).toMatchObject({
      generation: 1,
      loadState: 'not-found',
      refusal: "systemd has a unit of this name already, from '/lib/systemd/system/ssh.service'",
    });
  });

  it('stateRows reports what is held under the generation that the store has now', () => {
    const rows = rowsOf({
      keep: { 'a.service': 'launched 2 B' },
      done: { 'a.service': 'launched 5 A held=2' },
    });
    expect(rows.get('a.service' as UnitName)).toMatchObject({
      generation: 2,
      started: 2,
      refusal: expect.stringContaining('went back'),
    });
  });
});
