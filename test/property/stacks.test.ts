// Real stacks through the real plan, over any order of machines that come, go and die: judged by a checker of its own.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileOfText } from '../../src/api/unit-file.ts';
import { globalsFor } from '../../src/scheduler/globals.ts';
import { machineId, machineRecord, short, unitName } from '../support/cluster.ts';
import { EngineWorld } from '../support/engine-world.ts';
import { faultsOf } from '../support/stack-check.ts';
import {
  metadataFor,
  noStacks,
  stacks,
  together,
  withPeers,
  type Stack,
  type StackUnit,
} from '../support/stacks.ts';

const MACHINES = 6;
const NAMES = Array.from({ length: MACHINES }, (_, i) => `m${i + 1}`);
const ROUNDS = Number(process.env['FLEET_PROPERTY_RUNS'] ?? 4);

/** With its words, so that a counterexample can be read. */
type Step = readonly [text: string, take: (world: EngineWorld) => void];

function submit(world: EngineWorld, { name, text, asks }: StackUnit): void {
  const { options } = fileOfText(unitName(name), text);
  world.put(name, { options, global: asks.global });
}

/** Machine events, and units that go and come back, of one stack. */
function stepsOf(stack: Stack): fc.Arbitrary<readonly Step[]> {
  const given = metadataFor(stack, MACHINES);
  const machine = fc.nat(MACHINES - 1);
  const unit = fc.constantFrom(...stack.units);
  const up = fc.tuple(machine, fc.nat(MACHINES - 1), fc.nat(3)).map(([at, other, odd]): Step => {
    const metadata = given[odd === 0 ? other : at]!;
    return [
      `up ${NAMES[at]!} ${JSON.stringify(metadata)}`,
      (world) => world.machineUp(NAMES[at]!, metadata),
    ];
  });
  const leave = machine.map((at): Step => [
    `leave ${NAMES[at]!}`,
    (world) => {
      const known = world.machines.get(NAMES[at]!);
      if (known !== undefined) world.machineUp(NAMES[at]!, known.metadata, true);
    },
  ]);
  const gone = machine.map((at): Step => [
    `gone ${NAMES[at]!}`,
    (world) => world.machineGone(NAMES[at]!),
  ]);
  const put = unit.map((which): Step => [`put ${which.name}`, (world) => submit(world, which)]);
  const stop = unit.map(({ name }): Step => [
    `stop ${name}`,
    (world) => world.want(name, 'inactive'),
  ]);
  const destroy = unit.map(({ name }): Step => [`destroy ${name}`, (world) => world.destroy(name)]);
  const pass = fc
    .nat(60)
    .map((limit): Step => [`pass ${limit}`, (world) => void world.pass(limit + 1)]);
  const deliver = fc.nat(50).map((n): Step => [`deliver ${n}`, (world) => world.deliver(n)]);
  const plain = (text: string, take: Step[1]): fc.Arbitrary<Step> =>
    fc.constant<Step>([text, take]);
  const step = fc.oneof(
    { weight: 4, arbitrary: up },
    { weight: 2, arbitrary: gone },
    { weight: 1, arbitrary: leave },
    { weight: 1, arbitrary: plain('believe', (world) => world.believe()) },
    { weight: 2, arbitrary: plain('hosts stop', (world) => world.hostsStop()) },
    { weight: 3, arbitrary: put },
    { weight: 1, arbitrary: stop },
    { weight: 1, arbitrary: destroy },
    { weight: 3, arbitrary: pass },
    { weight: 3, arbitrary: deliver },
  );
  return fc.array(step, { maxLength: 60, size: 'max' });
}

/** What is wrong now, on hosts that run what they are told and their own share of the global units. */
function faults(world: EngineWorld, stack: Stack): readonly string[] {
  const picture = world.fresh();
  const machines = [...world.machines].map(([name, { metadata, leaving }]) => ({
    ...machineRecord(name, metadata, leaving),
  }));
  const runs = new Map<string, string[]>();
  // At rest only a dead machine has what is marked: it is nowhere for the others.
  for (const [name, { value }] of world.placed)
    if (!value.release || machines.some(({ id }) => id === value.machine))
      runs.set(name, [value.machine]);
  for (const { id, hostname, metadata, leaving } of machines) {
    if (leaving) continue;
    const { run } = globalsFor({
      id,
      hostname,
      metadata: picture.machine(id)?.metadata ?? metadata,
      globals: [...world.globals.values()].map(({ value }) => value),
      assigned: [...world.schedule.values()]
        .map(({ value }) => value)
        .filter((assignment) => assignment.machine === id),
    });
    for (const name of run) runs.set(name, [...(runs.get(name) ?? []), id]);
  }
  const units = stack.units.filter(
    ({ name }) => (world.units.get(name)?.value.desiredState ?? 'inactive') !== 'inactive',
  );
  const inactive = stack.units.filter((unit) => !units.includes(unit) && runs.has(unit.name));
  return [
    ...faultsOf({ machines, units, runs, pending: world.pending }),
    ...inactive.map(({ name }) => `${name} runs on ${runs.get(name)!.join()} and should not`),
  ];
}

function placesOf(world: EngineWorld): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...world.placed].map(([name, { value }]) => [name, short(value.machine)]),
  );
}

const plain = stacks([machineId('m2'), machineId('m9')]);
const completed = plain.map(withPeers);
// Without a corpus there is nothing to put together.
const all = plain.length === 0 ? [] : [...plain, ...completed, together(completed)];

describe.skipIf(noStacks() !== undefined)('a real stack', () => {
  it.for(all)('$repository is placed as it asks, whatever machines do', (stack) => {
    fc.assert(
      fc.property(stepsOf(stack), (steps) => {
        const world = new EngineWorld();
        for (const [at, metadata] of metadataFor(stack, 3).entries())
          world.machineUp(NAMES[at]!, metadata);
        for (const unit of stack.units) submit(world, unit);
        world.rest();
        expect(faults(world, stack)).toEqual([]);
        for (const [, take] of steps) take(world);
        world.rest();
        expect(faults(world, stack)).toEqual([]);
      }),
      { numRuns: ROUNDS },
    );
  });

  it.for(all)('$repository stays where it is when a machine joins', (stack) => {
    const world = new EngineWorld();
    const given = metadataFor(stack, 5);
    for (const at of [0, 1, 2, 3]) world.machineUp(NAMES[at]!, given[at]!);
    for (const unit of stack.units) submit(world, unit);
    world.rest();
    const before = placesOf(world);
    world.machineUp(NAMES[4]!, given[4]!);
    world.rest();
    expect(placesOf(world)).toMatchObject(before);
    expect(faults(world, stack)).toEqual([]);
  });
});
