// Units that wait for themselves: the engine comes to rest, and says which circle it is and that it is broken when it is.
import { describe, expect, it } from 'vitest';
import type { UnitName } from '../../../src/model/unit.ts';
import { planEngine } from '../../../src/reconcile/engine-plan.ts';
import { pendingSentences } from '../../../src/scheduler/explain.ts';
import { EngineWorld } from '../../support/engine-world.ts';
import type { UnitWords } from '../../support/cluster.ts';
import { short } from '../../support/cluster.ts';

/** Two machines, and the units put one after the other, each time until nothing is left to do. */
function worldWith(units: Readonly<Record<string, UnitWords>>): EngineWorld {
  const world = new EngineWorld();
  world.machineUp('m1', {});
  world.machineUp('m2', {});
  for (const [name, words] of Object.entries(units)) {
    world.put(name, words);
    world.rest();
  }
  return world;
}

function reasons(world: EngineWorld): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...world.pending].map(([name, pending]) => [name, pendingSentences(pending)[0] ?? '']),
  );
}

function where(world: EngineWorld): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...world.placed].map(([name, { value }]) => [name, short(value.machine)]),
  );
}

const circle = (names: string): string =>
  `MachineOf= goes in a circle, ${names}: each waits for the next, none can be the first`;

describe('a circle of MachineOf=', () => {
  it('is named by each of its units, and by what waits for them', () => {
    const world = worldWith({
      'x.service': { of: ['a.service'] },
      'a.service': { of: ['b.service'] },
      'b.service': { of: ['c.service'] },
      'c.service': { of: ['a.service'] },
    });
    expect(where(world)).toEqual({});
    expect(reasons(world)).toEqual({
      'a.service': circle('a.service → b.service → c.service → a.service'),
      'b.service': circle('b.service → c.service → a.service → b.service'),
      'c.service': circle('c.service → a.service → b.service → c.service'),
      'x.service': circle('a.service → b.service → c.service → a.service'),
    });
  });

  it('is over when its unit is destroyed, though the placement that it handed over is still there', () => {
    const world = worldWith({ 'b.service': {} });
    world.put('b.service', { of: ['b.service'] });
    world.deliver(Number.POSITIVE_INFINITY);
    world.pass(100);
    world.destroy('b.service');
    world.put('a.service', { of: ['b.service'] });
    world.hostsStop();
    world.deliver(Number.POSITIVE_INFINITY);
    const b = world.picture.unit('b.service' as UnitName);
    expect({ unit: b?.unit, at: b?.at, isPlaced: b?.placement !== undefined }).toEqual({
      unit: undefined,
      at: undefined,
      isPlaced: true,
    });
    const { actions } = planEngine(world.picture, ['a.service' as UnitName], 100);
    expect(actions).toMatchObject([{ kind: 'pending', pending: { name: 'a.service' } }]);
    expect(actions).not.toMatchObject([{ pending: { reason: 'circle' } }]);
  });

  it('is over when one of its units is replaced', () => {
    const world = worldWith({
      'x.service': { of: ['a.service'] },
      'a.service': { of: ['b.service'] },
      'b.service': { of: ['a.service'] },
    });
    world.put('b.service', { conflicts: ['y.service'] });
    world.rest();
    expect(where(world)).toEqual({ 'a.service': 'm1', 'b.service': 'm1', 'x.service': 'm1' });
    expect(reasons(world)).toEqual({});
  });

  it('of one unit is named too', () => {
    const world = worldWith({ 'a.service': { of: ['a.service'] } });
    expect(reasons(world)).toEqual({ 'a.service': circle('a.service → a.service') });
  });

  it('is not claimed of units that only wait for one that is not there', () => {
    const world = worldWith({
      'a.service': { of: ['b.service'] },
      'b.service': { of: ['c.service'] },
    });
    expect(reasons(world)['a.service']).toContain('2 machines refuse: 2 by MachineOf=');
  });
});

describe('a unit that drives away what it has to go with', () => {
  it('is not placed while that runs, and the rest stays where it is', () => {
    const world = worldWith({
      'b.service': {},
      'c.service': { of: ['b.service'] },
      'a.service': { of: ['c.service'], replaces: ['b.service'] },
    });
    expect(where(world)).toEqual({ 'b.service': 'm1', 'c.service': 'm1' });
    const pending = world.pending.get('a.service');
    expect(pending && pendingSentences(pending)).toEqual([
      '2 machines refuse: 1 by MachineOf=, 1 by Replaces=',
      'machine 00000001 does not take it while b.service runs: it replaces that, and moves when that moves (a.service → c.service → b.service)',
      'machine 00000002 does not run c.service, which must be there and is on machine 00000001',
    ]);
  });

  it('is placed once that is so no longer, though neither of the two has changed', () => {
    const world = worldWith({
      'b.service': {},
      'c.service': { of: ['b.service'] },
      'a.service': { of: ['c.service'], replaces: ['b.service'] },
    });
    world.put('c.service', {});
    world.rest();
    expect(where(world)).toEqual({ 'a.service': 'm1', 'b.service': 'm2', 'c.service': 'm1' });
  });

  it('comes to rest when a new version makes it one', () => {
    const world = worldWith({
      'b.service': {},
      'c.service': { of: ['b.service'] },
      'a.service': { of: ['c.service'] },
    });
    world.put('a.service', { of: ['c.service'], replaces: ['b.service'] });
    world.rest();
    expect(Object.keys(where(world))).toEqual(['b.service', 'c.service']);
    expect(Object.keys(reasons(world))).toEqual(['a.service']);
  });

  it('comes to rest where what it drives away is a global unit', () => {
    const world = worldWith({
      'g.service': { global: true },
      'c.service': { of: ['g.service'] },
      'a.service': { of: ['c.service'], replaces: ['g.service'] },
    });
    expect(where(world)).toEqual({ 'c.service': 'm1' });
    expect(Object.keys(reasons(world))).toEqual(['a.service']);
  });
});

describe('units that replace each other', () => {
  it('two by two: only the first is placed', () => {
    const world = worldWith({
      'a.service': { replaces: ['b.service'] },
      'b.service': { replaces: ['a.service'] },
    });
    expect(where(world)).toEqual({ 'a.service': 'm1' });
    const pending = world.pending.get('b.service');
    expect(pending && pendingSentences(pending)[1]).toBe(
      'machine 00000001 does not take it while a.service runs: the two replace each other',
    );
  });

  it('in a circle of three: the one that would close it waits until another has gone', () => {
    const world = worldWith({
      'a.service': { replaces: ['b.service'] },
      'b.service': { replaces: ['c.service'] },
      'c.service': { replaces: ['a.service'] },
    });
    expect(where(world)).toEqual({ 'a.service': 'm1', 'b.service': 'm2' });
    world.destroy('b.service');
    world.rest();
    expect(Object.keys(where(world))).toEqual(['a.service', 'c.service']);
  });
});
