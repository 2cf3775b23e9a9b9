// Every real stack, whole, on five real hosts, while machines join, die, leave and come back: each unit where it asks to be.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noLab, startLab, type Lab } from '../support/lab.ts';
import { StackOnLab, type Rest } from '../support/stack-lab.ts';
import { noStacks, stacks, together, withPeers, type Stack } from '../support/stacks.ts';

const HOSTS = ['h1', 'h2', 'h3', 'h4', 'h5'];
const TTL_MS = 3_000;
/** For finding out, on machines that are busy. */
const SLACK_MS = 15_000;

/** Each as it is, and all at once, with what they go with. */
function stacksFor(machine: string): readonly Stack[] {
  const all = stacks([machine, 'f'.repeat(32)]);
  return all.length === 0 ? [] : [...all, together(all.map(withPeers))];
}

/** What ran before and after, on the machines that were there all along, is the same run. */
function expectUntouched(before: Rest, after: Rest): void {
  const both = [...before.invocations].filter(([run]) => after.invocations.has(run));
  expect(both.filter(([run, id]) => after.invocations.get(run) !== id)).toEqual([]);
  for (const [name, on] of before.runs)
    for (const id of on)
      if (after.machines.some((machine) => machine.id === id))
        expect(after.runs.get(name), `${name} stays`).toContain(id);
}

describe.skipIf(noStacks() !== undefined || noLab() !== undefined)('a real stack', () => {
  let lab: Lab & { down(): Promise<void> };
  beforeAll(async () => {
    lab = await startLab({ hosts: HOSTS.length, name: 'stk', ttl: '3s', metadata: '' });
  });
  afterAll(async () => {
    await lab?.down();
  });

  it.for(stacksFor('').map(({ repository }) => repository))('%s holds', async (repository) => {
    const [, second] = await lab.rows();
    const stack = stacksFor(second!.machineId).find((one) => one.repository === repository)!;
    const on = await StackOnLab.of(lab, stack);
    await on.stopFleet('h5');

    await on.start();
    const started = await on.rest('started');
    await on.startFleet('h5');
    const joined = await on.rest('h5 joins');
    expectUntouched(started, joined);

    const victim = on.busiest(joined, ['h2', 'h3', 'h4', 'h5']);
    await on.kill(victim);
    const killed = await on.rest(`${victim} is dead`, TTL_MS + SLACK_MS);
    expectUntouched(joined, killed);
    await on.boot(victim);
    const booted = await on.rest(`${victim} is back`);
    expectUntouched(killed, booted);

    const leaver = on.busiest(booted, ['h2', 'h3', 'h4', 'h5']);
    await on.stopFleet(leaver);
    const left = await on.rest(`${leaver} has left`);
    expectUntouched(booted, left);
    await on.startFleet(leaver);
    const whole = await on.rest(`${leaver} is back`);
    expectUntouched(left, whole);
    expect(await on.clashes()).toEqual([]);
    await on.destroy();
    const times = { started, joined, killed, booted, left, whole };
    for (const [phase, { tookMs, pending, units, runs }] of Object.entries(times))
      console.log(
        [repository, phase, `${tookMs} ms`, units.length, runs.size, pending.size].join('\t'),
      );
  });
});
