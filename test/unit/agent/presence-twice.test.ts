import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { eventually } from '../../support/eventually.ts';
import { forever, keys, Presences, registered } from '../../support/presences.ts';

let on: Presences;

beforeEach(() => {
  on = new Presences();
});
afterEach(async () => {
  await on.end();
});

describe('two machines with one machine-id', () => {
  it('Presence answers for a second machine of the same id that it is taken, and the first keeps its key', async () => {
    const first = await on.run('one');
    await registered(first);
    const before = (await on.stored())!.machine;
    const second = await on.run('two');
    await eventually(() => second.presence.state === 'taken');
    expect(second.presence.unavailable()).toMatch('another machine');
    expect(first.presence.state).toBe('registered');
    expect((await on.stored())!.machine).toEqual(before);
  });

  it('Presence registers the second machine when the first has gone', async () => {
    const first = await on.run('one');
    await registered(first);
    const second = await on.run('two');
    await eventually(() => second.presence.state === 'taken');
    await first.kill();
    await registered(second);
    expect((await on.stored())!.machine.hostname).toBe('two');
  });

  it.each(['answers', 'fails once'])(
    'Presence waits while the other renews its lease and hears nothing, and gives way once it does (the store %s)',
    async (how) => {
      const { deaf, heard } = on.untilHeard();
      const first = await on.run('one', { ttlSec: 1, store: deaf });
      await registered(first);
      const before = (await on.stored())!.machine;
      const deletes = on.deletedFrom(keys.machines);
      let fails = how === 'fails once';
      const failing = on.withMethod('leaseRemaining', async (...args) => {
        if (!fails) return await on.kv.leaseRemaining(...args);
        fails = false;
        throw new FleetError('STORE_UNAVAILABLE', 'not now');
      });
      const second = await on.run('two', { ttlSec: 1, store: failing });
      await eventually(() => second.presence.state === 'claiming');
      await delay(3_000);
      expect(second.presence.state).toBe('claiming');
      expect((await on.stored())!.machine).toMatchObject({ hostname: 'one' });
      expect(fails).toBe(false);
      heard.resolve();
      await eventually(() => second.presence.state === 'taken');
      expect(first.presence.state).toBe('registered');
      expect((await on.stored())!.machine).toEqual(before);
      expect(await deletes.end()).toEqual([]);
    },
  );

  it('Presence that leaves while it is not known whether the other lives takes nothing along', async () => {
    const { deaf, heard } = on.untilHeard();
    const first = await on.run('one', { store: deaf });
    await registered(first);
    const before = (await on.stored())!.machine;
    const deletes = on.deletedFrom(keys.machines);
    const second = await on.run('two');
    await eventually(async () => (await on.stored())!.machine.nonce !== before.nonce);
    await second.presence.leave(forever);
    expect((await on.stored())!.machine).toMatchObject({ hostname: 'one' });
    heard.resolve();
    await eventually(async () => (await on.stored())!.machine.nonce === before.nonce);
    expect(await deletes.end()).toEqual([]);
  });

  it('Presence that leaves before it is known that the key is its own gives it back when it is', async () => {
    const before = await on.run('one', { ttlSec: 1 });
    await registered(before);
    await before.kill();
    rmSync(join(on.dir, 'one'), { recursive: true });
    const after = await on.run('one', { ttlSec: 1 });
    await eventually(() => after.presence.state === 'claiming');
    await after.presence.leave(forever);
    await eventually(async () => (await on.stored()) === undefined);
    await delay(1_500);
    expect(await on.stored()).toBeUndefined();
    expect(after.presence.registrations).toBe(0);
  });

  it('Presence leaves the key to one of two machines of the same id that find it free at the same time', async () => {
    const looks = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const both = await Promise.all(
      looks.map(async (look, n) => {
        // What the first look of one has found is known to it when the other has looked too.
        const txn: Kv['txn'] = async (asked, signal) => {
          const found = await on.kv.txn(asked, signal);
          look.resolve();
          await Promise.all(looks.map(({ promise }) => promise));
          return found;
        };
        return await on.run(`m${n}`, { store: on.withMethod('txn', txn) });
      }),
    );
    const states = (): readonly string[] => both.map(({ presence }) => presence.state).sort();
    await eventually(() => states().join(' ') === 'registered taken', { timeoutMs: 10_000 });
    const before = await on.stored();
    await delay(300);
    expect(await on.stored()).toEqual(before);
    expect(states()).toEqual(['registered', 'taken']);
  });

  it('Presence takes over the key of a boot before without a moment in which it is gone', async () => {
    const before = await on.run('one');
    await registered(before);
    await before.kill();
    rmSync(join(on.dir, 'one'), { recursive: true });
    const deletes = on.deletedFrom(keys.machines);
    const after = await on.run('one');
    await registered(after);
    await eventually(async () => (await on.stored())!.machine.incarnation !== '');
    expect(after.presence.unavailable()).toBeUndefined();
    expect(await deletes.end()).toEqual([]);
  });
});
