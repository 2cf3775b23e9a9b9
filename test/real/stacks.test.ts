// A small real stack on three real hosts, while one joins, one dies and comes back, and one leaves; test/full has all stacks.
import { describe, expect, it } from 'vitest';
import { noLab, withLab } from '../support/lab.ts';
import { expectUntouched, StackOnLab } from '../support/stack-lab.ts';
import { noStacks, stacks, withPeers } from '../support/stacks.ts';

describe.skipIf(noStacks() !== undefined || noLab() !== undefined)('a small real stack', () => {
  it('runs where its units ask to be, also when machines join, die and leave', async () => {
    const found = stacks([]).find(({ repository }) => repository === 'yldio+paz')!;
    const stack = withPeers(found);
    await withLab({ hosts: 3, name: 'stk', ttl: '3s', metadata: '' }, async (lab) => {
      const on = await StackOnLab.of(lab, stack);
      await on.stopFleet('h3');
      await on.start();
      const started = await on.rest('started');
      expect(started.pending.size).toBe(0);
      await on.startFleet('h3');
      const joined = await on.rest('h3 joins');
      expectUntouched(started, joined);

      await on.kill('h2');
      const killed = await on.rest('h2 is dead');
      expectUntouched(joined, killed);
      await on.boot('h2');
      const booted = await on.rest('h2 is back');
      expectUntouched(killed, booted);

      await on.stopFleet('h3');
      expectUntouched(booted, await on.rest('h3 has left'));
      expect(await on.clashes()).toEqual([]);
    });
  });
});
