// Every real stack, whole, on five real hosts, while machines join, die, leave and come back: each unit where it asks to be.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noLab, startLab, type Lab } from '../support/lab.ts';
import { expectUntouched, StackOnLab } from '../support/stack-lab.ts';
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

    await on.swapMetadata('h1', 'h2');
    await on.swapMetadata('h3', 'h4');
    const swapped = await on.rest('metadata is another');
    await Promise.all([on.kill('h3'), on.kill('h5')]);
    const halved = await on.rest('two are dead', TTL_MS + SLACK_MS);
    expectUntouched(swapped, halved);
    await Promise.all([on.boot('h3'), on.boot('h5')]);
    const again = await on.rest('both are back');
    expectUntouched(halved, again);
    expect(await on.clashes()).toEqual([]);
    await on.destroy();
    const times = { started, joined, killed, booted, left, whole, swapped, halved, again };
    const kinds = Object.groupBy(
      [...started.pending.values()],
      ({ reason, counts }) => reason ?? Object.keys(counts).join('+'),
    );
    console.log(
      [
        repository,
        `${stack.units.length} units`,
        `${started.units.length - started.pending.size} placed or global`,
        ...Object.entries(kinds).map(([kind, some]) => `${some?.length} wait: ${kind}`),
        ...Object.entries(times).map(([phase, { tookMs }]) => `${phase} ${tookMs} ms`),
      ].join('\t'),
    );
  });
});
