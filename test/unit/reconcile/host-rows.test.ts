import { describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import { planHost } from '../../../src/reconcile/host-plan.ts';
import { stateRows, type Look } from '../../../src/reconcile/host-rows.ts';
import { picture, type HostWords } from '../../support/host-picture.ts';

const active = { loadState: 'loaded', activeState: 'active', subState: 'running' };

const rowsOf = (words: HostWords, before: HostWords = words) => {
  const given = picture(words);
  const looked = picture(before).carriedOut;
  const { refusals, orphans } = planHost(given);
  return stateRows({
    machine: 'c'.repeat(32) as MachineId,
    incarnation: 'boot',
    wanted: given.wanted,
    carriedOut: given.carriedOut,
    refusals,
    orphans: new Set(orphans),
    looks: new Map([...looked].map(([name, done]) => [name, { done, state: active }])),
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

  it('stateRows says of a unit what had been carried out when systemd was asked', () => {
    const keep = { 'a.service': 'launched 4 A', 'b.service': 'launched 1 B' } as const;
    const done = keep;
    const rows = rowsOf({ keep, done }, { keep, done: { 'a.service': 'launched 3 A' } });
    expect(rows.get('a.service' as UnitName)).toMatchObject({ generation: 3, started: 3 });
    expect(rows.has('b.service' as UnitName)).toBe(false);
  });

  it('stateRows has no row for a unit that was let go after the look', () => {
    const done = { 'a.service': 'launched 3 A' };
    expect(rowsOf({}, { done }).size).toBe(0);
  });

  it('stateRows says why a unit is failed now, rather than why its start once failed', () => {
    const words: HostWords = {
      keep: { 'a.service': 'launched 3 A' },
      done: { 'a.service': 'launched 3 A' },
    };
    const name = 'a.service' as UnitName;
    const given = picture(words);
    const done = { ...given.carriedOut.get(name)!, job: 'failed', result: 'timeout' } as const;
    const state = { loadState: 'loaded', activeState: 'failed', subState: 'failed' };
    const resultOf = (look: Look) =>
      stateRows({
        ...given,
        machine: 'c'.repeat(32) as MachineId,
        incarnation: 'boot',
        refusals: new Map(),
        orphans: new Set(),
        looks: new Map([[name, look]]),
      }).get(name)?.result;
    expect(resultOf({ done, state })).toBe('timeout');
    expect(resultOf({ done, state, failure: 'signal' })).toBe('signal');
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
