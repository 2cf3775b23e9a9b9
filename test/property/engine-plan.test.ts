// Laws of the engine's plan over any sequence of events: it comes to rest, explains the rest, and never breaks a requirement.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planEngine } from '../../src/reconcile/engine-plan.ts';
import type { ClusterPicture } from '../../src/scheduler/cluster.ts';
import { FILTERS, refusalOf } from '../../src/scheduler/filters.ts';
import { globalsFor } from '../../src/scheduler/globals.ts';
import { globalRunsOn } from '../../src/scheduler/global-runs.ts';
import { needsOn } from '../../src/scheduler/needs-on.ts';
import { compileGlob } from '../../src/unitfile/glob.ts';
import type { UnitWords } from '../support/cluster.ts';
import { line, machineId, planAll } from '../support/cluster.ts';
import { EngineWorld } from '../support/engine-world.ts';

const PLAIN = ['a', 'b', 'c', 'd', 'e', 'f', 'm1'].map((name) => `${name}.service`);
const GLOBALS = ['g.service', 'h.service'];
const MACHINES = ['m1', 'm2', 'm3', 'm4'] as const;

/** Anything goes: also circles, and units that drive away what they have to go with. `m1` is a host name too. */
const words = (name: string): fc.Arbitrary<UnitWords> => {
  if (GLOBALS.includes(name))
    return fc.constantFrom<UnitWords>(
      { global: true },
      { global: true, metadata: ['role=web'] },
      { global: true, conflicts: ['*.service'] },
      { global: true, conflicts: ['c.service', 'g.service'] },
    );
  return fc.constantFrom<UnitWords>(
    {},
    {},
    { conflicts: ['?.service'] },
    { conflicts: ['c.service', 'e.service'] },
    { metadata: ['role=web', 'role=db'] },
    { metadata: ['role=web', 'disk=ssd'] },
    { of: [name < 'd' ? 'd.service' : 'e.service'].filter((peer) => peer !== name) },
    { of: [name < 'c' ? 'c.service' : 'a.service'], replaces: ['b.service', 'g.service'] },
    { of: ['b.service'] },
    { of: ['g.service'] },
    { replaces: ['[bcd].service'] },
    { replaces: ['a.service', 'e.*'], of: ['f.service'] },
    { replaces: ['%H.service'] },
    { conflicts: ['%l.*'] },
    { of: ['%H.service'] },
    { metadata: ['role=%H', 'role=db'] },
    { id: '00000002' },
    { state: 'inactive' },
    { replaces: [`${name}.other`] },
    { metadata: ['malformed'] },
  );
};

const aName = fc.constantFrom(...PLAIN, ...GLOBALS);
const aMachine = fc.constantFrom(...MACHINES);
const metadata = fc.constantFrom<Record<string, string>>(
  {},
  { role: 'web' },
  { role: 'db' },
  { role: 'm1' },
  { role: 'web', disk: 'ssd' },
);

/** With its words, so that a counterexample can be read. */
type Step = readonly [text: string, take: (world: EngineWorld) => void];

/** The engine and the hosts keep up with what has happened so far. */
const keepUp: Step = [
  'keep up',
  (world) => {
    world.deliver(Number.POSITIVE_INFINITY);
    world.pass(100);
    world.hostsStop();
    world.deliver(Number.POSITIVE_INFINITY);
  },
];

const put = aName.chain((name) =>
  words(name).map((w): Step => [`put ${name} ${JSON.stringify(w)}`, (world) => world.put(name, w)]),
);
const want = fc
  .tuple(aName, fc.constantFrom('inactive' as const, 'loaded' as const, 'launched' as const))
  .map(([name, to]): Step => [`want ${name} ${to}`, (world) => world.want(name, to)]);
const destroy = aName.map((name): Step => [`destroy ${name}`, (world) => world.destroy(name)]);
const machineUp = fc.tuple(aMachine, metadata, fc.boolean()).map(([name, data, odd]): Step => {
  const leaving = odd && name === 'm4';
  const text = `up ${name} ${JSON.stringify(data)} ${leaving ? 'leaving' : ''}`;
  return [text, (world) => world.machineUp(name, data, leaving)];
});
const machineGone = aMachine.map((name): Step => [
  `gone ${name}`,
  (world) => world.machineGone(name),
]);
const orphan = fc
  .tuple(aMachine, fc.constantFrom(...PLAIN), fc.boolean())
  .map(([machine, name, runs]): Step => [
    `orphan ${name} on ${machine}: ${runs}`,
    (world) => world.orphan(machine, name, runs),
  ]);
const deliver = fc.nat(6).map((n): Step => [`deliver ${n}`, (world) => world.deliver(n)]);
const again = fc.nat(5).map((n): Step => [`deliver ${n} again`, (world) => world.deliverAgain(n)]);
const pass = fc
  .integer({ min: 1, max: 5 })
  .map((n): Step => [`pass ${n}`, (world) => void world.pass(n)]);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: put },
  { weight: 2, arbitrary: want },
  { weight: 2, arbitrary: destroy },
  { weight: 4, arbitrary: machineUp },
  { weight: 2, arbitrary: machineGone },
  { weight: 2, arbitrary: orphan },
  { weight: 1, arbitrary: fc.constant<Step>(['believe', (world) => world.believe()]) },
  { weight: 3, arbitrary: fc.constant<Step>(['hosts stop', (world) => world.hostsStop()]) },
  { weight: 4, arbitrary: deliver },
  { weight: 1, arbitrary: again },
  { weight: 5, arbitrary: pass },
  { weight: 10, arbitrary: fc.constant(keepUp) },
);

const begin: readonly Step[] = [
  ['up m1', (world) => world.machineUp('m1', { role: 'web' })],
  ['up m2', (world) => world.machineUp('m2', { role: 'web', disk: 'ssd' })],
];

const steps = fc
  .array(step, { minLength: 5, maxLength: 80, size: 'max' })
  .map((sequence) => [...begin, ...sequence]);

/** At most one placement, and no unmarked key that it does not speak of. */
function checkKeys(world: EngineWorld): void {
  for (const { value } of world.schedule.values())
    if (!value.release) expect(world.placed.get(value.name)?.value.machine).toBe(value.machine);
}

function checkRequirements(world: EngineWorld, picture: ClusterPicture): void {
  // What cannot be understood is left alone, whatever comes to stand beside it.
  const running = [...picture.units()].filter((unit) => unit.at !== undefined && !unit.malformed);
  for (const unit of running) {
    expect(unit.releasing, unit.name).toBe(unit.at?.presence === 'absent' && unit.releasing);
    if (unit.at?.candidate !== true) continue;
    const needs = needsOn(unit.needs, unit.at);
    for (const other of running)
      if (unit !== other && unit.at === other.at)
        for (const text of [...needs.conflicts, ...needs.replaces])
          expect(compileGlob(text)(other.name), `${unit.name} beside ${other.name}`).toBe(false);
    for (const { key, values } of needs.metadata)
      expect(values, unit.name).toContain(unit.at.metadata[key]);
    for (const peer of needs.machineOf)
      if (picture.unit(peer)?.globalActive !== true)
        expect(picture.unit(peer)?.at, unit.name).toBe(unit.at);
  }
  for (const unit of picture.units()) {
    const isWaiting = unit.unit !== undefined && unit.unit.desiredState !== 'inactive';
    if (isWaiting && !unit.needs.global && unit.at === undefined)
      expect(world.pending.has(unit.name), `${unit.name} waits and says why`).toBe(true);
  }
}

/** An explanation may name another refusal of a machine than the first that comes to mind now, but every machine still refuses. */
function checkExplanations(world: EngineWorld, picture: ClusterPicture): void {
  const asked = [...picture.machines()].filter(
    ({ candidate, presence }) => candidate || presence === 'leaving',
  );
  for (const { name, machines, reason } of world.pending.values()) {
    const unit = picture.unit(name);
    expect(unit?.unit?.desiredState, name).not.toBe('inactive');
    if (reason === 'no-machines') expect(asked.length, name).toBe(0);
    if (unit === undefined || reason !== undefined) continue;
    const ids = asked.map(({ id }) => id).sort();
    expect({ name, on: machines.map(({ machine }) => machine) }).toEqual({ name, on: ids });
    for (const machine of asked)
      expect(refusalOf(FILTERS.take, unit, machine, picture), name).toBeDefined();
  }
}

/** The host's own decision on global units is what the engine takes it for, and what it counts as load. */
function checkGlobals(world: EngineWorld, picture: ClusterPicture): void {
  const uncounted = new Set<number>();
  for (const machine of picture.machines()) {
    if (!machine.candidate) continue;
    const { run } = globalsFor({
      id: machine.id,
      hostname: machine.hostname,
      metadata: machine.metadata,
      globals: [...world.globals.values()].map(({ value }) => value),
      assigned: [...world.schedule.values()]
        .map(({ value }) => value)
        .filter((assignment) => assignment.machine === machine.id),
    });
    const expected = [...picture.units()]
      .filter((unit) => unit.globalActive && globalRunsOn(picture, unit, machine))
      .map(({ name }) => name)
      .sort();
    expect(run).toEqual(expected);
    uncounted.add(machine.located + run.length - machine.load);
  }
  expect(uncounted.size, 'what is not counted is the same everywhere').toBeLessThanOrEqual(1);
}

function loads(picture: ClusterPicture): string[] {
  return [...picture.candidates.all()].map(({ id, load, located }) => `${id} ${load} ${located}`);
}

describe('planEngine, over any sequence of events,', () => {
  it('comes to rest where planning the same store from nothing has nothing to add', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = new EngineWorld();
        for (const [, take] of sequence) {
          take(world);
          checkKeys(world);
        }
        world.rest(() => checkKeys(world));
        const fresh = world.fresh();
        const { actions } = planAll(fresh);
        expect(actions.filter(({ kind }) => kind !== 'pending').map(line)).toEqual([]);
        checkExplanations(world, fresh);
        expect(loads(world.picture)).toEqual(loads(fresh));
        checkRequirements(world, fresh);
        checkGlobals(world, fresh);
      }),
      { numRuns: Number(process.env['FLEET_PROPERTY_RUNS'] ?? 300) },
    );
  });

  it('answers the same plan twice and leaves the picture as it was', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = new EngineWorld();
        for (const [, take] of sequence) take(world);
        world.deliver(Number.POSITIVE_INFINITY);
        const names = [...world.picture.units()].map(({ name }) => name);
        const before = loads(world.picture);
        const first = planEngine(world.picture, names, 100);
        expect(loads(world.picture)).toEqual(before);
        expect(planEngine(world.picture, names.toReversed(), 100)).toEqual(first);
        // A picture that took the same records in another order decides the same.
        const fresh = world.fresh();
        for (const m of MACHINES)
          if (world.picture.machine(machineId(m))?.presence === 'absent')
            fresh.setPresence(machineId(m), 'absent');
        expect(planEngine(fresh, names, 100).actions.map(line)).toEqual(first.actions.map(line));
      }),
      { numRuns: 150 },
    );
  });

  it('balances unconstrained units within one of each other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 60 }), (m, n) => {
        const world = new EngineWorld();
        for (let i = 1; i <= m; i += 1) world.machineUp(`m${i}`, {});
        for (let i = 0; i < n; i += 1) world.put(`u${i}.service`, {});
        world.deliver(Number.POSITIVE_INFINITY);
        while (world.picture.dirtyCount > 0) world.pass(7);
        const counts = [...world.picture.candidates.all()].map(({ located }) => located);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(n);
      }),
      { numRuns: 50 },
    );
  });
});
