// How many machines a plan asks, counted: what one change costs must not grow with the cluster.
import { describe, expect, it } from 'vitest';
import { planEngine } from '../../../src/reconcile/engine-plan.ts';
import { ClusterPicture } from '../../../src/scheduler/cluster.ts';
import { FILTERS, type Filter, type Filters } from '../../../src/scheduler/filters.ts';
import {
  assignmentRecord,
  machineId,
  machineRecord,
  placementRecord,
  unitName,
  unitRecord,
  type UnitWords,
} from '../../support/cluster.ts';

const MACHINES = 10_000;
const UNITS = 20_000;

/** Ten machines have `disk=ssd`, half of them `role=web`. */
function bigPicture(): ClusterPicture {
  const picture = new ClusterPicture();
  for (let i = 1; i <= MACHINES; i += 1) {
    const disk = i % 1_000 === 0 ? 'ssd' : 'spinning';
    const metadata = { disk, role: i % 2 === 0 ? 'web' : 'db' };
    picture.applyMachine(machineId(`m${i}`), machineRecord(`m${i}`, metadata));
  }
  for (let i = 0; i < UNITS; i += 1) {
    const unit = unitRecord(`u${i}.service`);
    const on = machineId(`m${(i % MACHINES) + 1}`);
    picture.applyUnit(unit.name, unit, 1n);
    picture.applyAssignment(on, unit.name, assignmentRecord(unit, on, false), 2n);
    picture.applyPlacement(unit.name, placementRecord(unit, on, false), 2n);
  }
  const settled = planEngine(picture, picture.takeDirty(Infinity), Infinity);
  expect(settled.actions).toEqual([]);
  return picture;
}

/** The same filters; counts the pairs of a unit and a machine that are asked. */
function counting(): { filters: Filters; asked: () => number } {
  const pairs = new Set<string>();
  const count: Filter = (unit, machine) => {
    pairs.add(`${unit.name} ${machine.id}`);
    return undefined;
  };
  const filters = { take: [count, ...FILTERS.take], keep: [count, ...FILTERS.keep] };
  return { filters, asked: () => pairs.size };
}

interface Row {
  readonly name: string;
  readonly words: UnitWords;
  readonly then: 'place' | 'pending';
  /** machines asked at most; PENDING_MACHINES_MAX of them are named in an explanation */
  readonly asked: number;
}

const rows: readonly Row[] = [
  { name: 'a unit that may run anywhere', words: {}, then: 'place', asked: 1 },
  {
    name: 'a metadata value of ten machines',
    words: { metadata: ['disk=ssd'] },
    then: 'place',
    asked: 2,
  },
  { name: 'two of them', words: { metadata: ['role=web', 'disk=ssd'] }, then: 'place', asked: 2 },
  { name: 'a machine by id', words: { id: '00000077' }, then: 'place', asked: 1 },
  { name: 'a peer', words: { of: ['u5.service'] }, then: 'place', asked: 1 },
  { name: 'a conflict with one', words: { conflicts: ['u7.service'] }, then: 'place', asked: 2 },
  {
    name: 'a value that no machine has',
    words: { metadata: ['disk=tape'] },
    then: 'pending',
    asked: 20,
  },
  {
    name: 'values that ten machines have half of',
    words: { metadata: ['disk=ssd', 'role=none'] },
    then: 'pending',
    asked: 30,
  },
  { name: 'a machine that is not there', words: { id: 'ffffffff' }, then: 'pending', asked: 20 },
  { name: 'a peer that is not there', words: { of: ['none.service'] }, then: 'pending', asked: 20 },
  {
    name: 'a peer on a machine of other metadata',
    words: { of: ['u5.service'], metadata: ['disk=ssd'] },
    then: 'pending',
    asked: 21,
  },
];

describe('planEngine, by count', () => {
  const picture = bigPicture();

  it.for(rows)('asks few of 10,000 machines for $name', ({ words, then, asked }) => {
    const { filters, asked: count } = counting();
    const name = unitName('new.service');
    picture.applyUnit(name, unitRecord(name, words, 7), 10n);
    const plan = planEngine(picture, picture.takeDirty(Infinity), Infinity, filters);
    expect(plan.actions.map(({ kind }) => kind)).toEqual([then]);
    expect(count()).toBeLessThanOrEqual(asked);
    picture.applyUnit(name, undefined, 11n);
    picture.takeDirty(Infinity);
  });

  it('decides again what was on a machine that is lost, and nothing else', () => {
    const { filters, asked } = counting();
    const lost = machineId('m42');
    picture.applyMachine(lost, undefined);
    picture.setPresence(lost, 'absent');
    const dirty = picture.takeDirty(Infinity);
    expect(dirty).toEqual(['u10041.service', 'u41.service']);
    const plan = planEngine(picture, dirty, Infinity, filters);
    expect(plan.actions.map(({ kind }) => kind)).toEqual(['evict', 'evict']);
    expect(asked()).toBeLessThanOrEqual(2);
  });

  it('decides nothing again because a machine joins', () => {
    picture.applyMachine(machineId('m20001'), machineRecord('m20001'));
    expect(picture.dirtyCount).toBe(0);
  });

  it('decides again, of those that wait, what a machine that joins might take', () => {
    for (let i = 0; i < 1_000; i += 1) {
      const name = unitName(`wait${i}.service`);
      picture.applyUnit(name, unitRecord(name, { metadata: [`disk=kind${i}`] }), 20n);
      const plan = planEngine(picture, picture.takeDirty(Infinity), Infinity);
      for (const action of plan.actions)
        if (action.kind === 'pending') picture.applyPending(name, action.pending);
    }
    picture.takeDirty(Infinity);
    picture.applyMachine(machineId('m20002'), machineRecord('m20002', { disk: 'kind7' }));
    expect(picture.takeDirty(Infinity)).toEqual(['wait7.service']);
  });
});
