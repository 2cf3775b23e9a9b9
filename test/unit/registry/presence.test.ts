// The machines of a revision, kept for the listings.
import { expect, it } from 'vitest';
import { MachineCache } from '../../../src/registry/presence.ts';
import { listStates } from '../../../src/registry/read-states.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { ApiFixture, forever, machineId } from '../../support/api.ts';
import { FaultyKv } from '../../support/faulty-kv.ts';

it('machines that were kept of a revision are not those of another history that has it too', async () => {
  const fill = async (incarnation: string): Promise<ApiFixture> => {
    const fixture = new ApiFixture();
    await fixture.machine(machineId(1), { incarnation });
    await fixture.report('a.service', machineId(1), { incarnation });
    return fixture;
  };
  const [before, after] = [await fill('boot-1'), await fill('boot-2')];
  const kv = new FaultyKv(before.kv, systemClock);
  const registry = { kv, keys: before.keys, unreadable: () => undefined };
  const cache = new MachineCache();
  const rows = async (): Promise<number> =>
    (await listStates(registry, cache, { limit: 10 }, forever)).rows.length;
  expect(await rows()).toBe(1);
  kv.revertTo(after.kv);
  kv.reversions += 1; // an answer to another call has shown it
  expect(await rows()).toBe(1);
  await before.stop();
  await after.stop();
});
