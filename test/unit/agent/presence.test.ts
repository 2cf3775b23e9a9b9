import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../agent/disk.ts';
import { IdentityFile } from '../../../agent/identity.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import { encode } from '../../../src/registry/codec.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { forever, id, keys, Presences, registered } from '../../support/presences.ts';

let on: Presences;

beforeEach(() => {
  on = new Presences();
});
afterEach(async () => {
  await on.end();
});

describe('Presence', () => {
  it('Presence registers the machine, and writes nothing when fleetd begins anew', async () => {
    const first = await on.run('one');
    expect(first.presence.unavailable()).toMatch('not registered');
    await registered(first);
    const before = (await on.stored())!;
    expect(before.machine).toMatchObject({ hostname: 'one', leaving: false });
    await first.kill();
    await registered(await on.run('one'));
    expect(await on.stored()).toEqual(before);
  });

  it('Presence registers again when its lease or its key was taken away, and says so: others may have acted on it', async () => {
    const one = await on.run('one');
    await registered(one);
    expect(one.presence.registrations).toBe(1);
    const changed = one.presence.stateChanged(forever);
    await on.kv.txn({ then: [{ kind: 'delete', key: keys.machine(id) }] }, forever);
    await eventually(() => one.presence.registrations === 2);
    await changed;
    expect(await on.stored()).toBeDefined();
    const identity = await IdentityFile.open(join(on.dir, 'one', 'identity.json'), {
      bootId: 'boot',
      machineId: 'm',
    });
    await on.kv.revokeLease(identity.identity.lease!, forever);
    await eventually(() => one.presence.registrations === 3);
    await eventually(async () => (await on.stored()) !== undefined);
  });

  it('Presence says that it returned where its key had ended, and goes on saying it; not where it begins, nor where it had left', async () => {
    const first = await on.run('one');
    await registered(first);
    const { lease, machine, revision } = (await on.stored())!;
    expect(machine).not.toHaveProperty('returned');
    // The first that it knew was before its key; that it is there it knows by the first renewal.
    await eventually(() => first.presence.reachedAt(revision) <= systemClock.now());
    expect(first.presence.reachedAt(revision)).toBeGreaterThan(-Infinity);
    await first.kill();
    await on.kv.revokeLease(lease!, forever);
    const second = await on.run('one');
    await registered(second);
    const back = (await on.stored())!;
    expect(back.machine).toHaveProperty('returned', true);
    await second.kill();
    const third = await on.run('one');
    await registered(third);
    expect(await on.stored()).toEqual(back);
    await third.presence.leave(forever);
    await third.kill();
    await registered(await on.run('one'));
    expect((await on.stored())!.machine).not.toHaveProperty('returned');
  });

  it('Presence says that it returned for some ttls, and is one that was always there then', async () => {
    await on.runBack();
    const backMs = performance.now();
    const { machine, lease } = (await on.stored())!;
    expect(machine.returned).toBe(true);
    await eventually(async () => (await on.stored())!.machine.returned === undefined);
    expect(performance.now() - backMs).toBeGreaterThan(2_000);
    expect(await on.stored()).toMatchObject({ lease });
  });

  it('Presence leaves what it said of its leave as it is, also when it no longer counts as returned', async () => {
    const second = await on.runBack();
    const said = await second.presence.announceLeave(forever);
    const before = await on.stored();
    await delay(3_000);
    expect(await on.stored()).toEqual(before);
    expect(await second.presence.announceLeave(forever)).toBe(said);
  });

  it('Presence does not say that it returned where its key never was there', async () => {
    const put = { kind: 'put', key: keys.format, value: '{"v":99}' } as const;
    await on.kv.txn({ then: [put] }, forever);
    const first = await on.run('one');
    const identity = join(on.dir, 'one', 'identity.json');
    await eventually(() => readFileSync(identity, 'utf8').includes('"lease"'));
    await first.kill();
    await on.kv.txn({ then: [{ kind: 'delete', key: keys.format }] }, forever);
    await registered(await on.run('one'));
    expect((await on.stored())!.machine).not.toHaveProperty('returned');
  });

  it('Presence hangs its key on the lease that it renews, where the same words stand under another one', async () => {
    const one = await on.run('one');
    await registered(one);
    const { lease: own } = (await on.stored())!;
    const { gets } = await on.kv.txn({ then: [{ kind: 'get', key: keys.machine(id) }] }, forever);
    const { key, value } = gets[0]!;
    const putUnder = async (lease: string): Promise<void> =>
      void (await on.kv.txn({ then: [{ kind: 'put', key, value, lease }] }, forever));
    await putUnder(await on.kv.grantLease(60, forever));
    await eventually(async () => (await on.stored())?.lease === own);
    await one.kill();
    await putUnder(await on.kv.grantLease(60, forever));
    await registered(await on.run('one'));
    expect(await on.stored()).toMatchObject({ lease: own });
  });

  it('Presence registers while the disk is full; the next fleetd finds the key, and takes it to a lease of its own', async () => {
    const first = await on.run('one');
    await registered(first);
    const { lease: lost } = (await on.stored())!;
    await first.kill();
    await on.kv.revokeLease(lost!, forever);
    const full: Disk = {
      ...localDisk,
      write: () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
    };
    const second = await on.run('one', { disk: full });
    await registered(second);
    const { lease: unwritten } = (await on.stored())!;
    await second.kill();
    const third = await on.run('one');
    await registered(third);
    const { lease } = (await on.stored())!;
    expect(new Set([lost, unwritten, lease]).size).toBe(3);
  });

  it('Presence takes back what a fleetd before it, which was to leave, has written late', async () => {
    const one = await on.run('one');
    await registered(one);
    const machine = { ...(await on.stored())!.machine, leaving: true };
    const value = encode('machine', machine);
    await on.kv.txn({ then: [{ kind: 'put', key: keys.machine(id), value }] }, forever);
    await eventually(async () => (await on.stored())?.machine.leaving === false);
    expect((await on.stored())!.machine).toEqual({ ...machine, leaving: false });
  });

  it('Presence says that it leaves, and gives the key back', async () => {
    const one = await on.run('one');
    await registered(one);
    await one.presence.announceLeave(forever);
    expect((await on.stored())!.machine.leaving).toBe(true);
    await one.kill();
    await one.presence.leave(forever);
    expect(await on.stored()).toBeUndefined();
  });

  it('Presence does not join a cluster of another format', async () => {
    await on.kv.txn({ then: [{ kind: 'put', key: keys.format, value: '{"v":9}' }] }, forever);
    const one = await on.run('one');
    await eventually(() => one.presence.unavailable() !== undefined);
    expect(await on.stored()).toBeUndefined();
  });

  it('Presence is sure of its key for a ttl from each renewal, and of nothing while the key is not there', async () => {
    const one = await on.run('one');
    expect(one.presence.deadlineMs()).toBe(-Infinity);
    await one.presence.renewed(forever);
    const first = one.presence.deadlineMs();
    const leftMs = first - systemClock.bootMs();
    expect(leftMs).toBeGreaterThan(1_000);
    expect(leftMs).toBeLessThanOrEqual(2_000);
    await one.presence.renewed(forever);
    expect(one.presence.deadlineMs()).toBeGreaterThan(first);
    await one.kill();
    expect(one.presence.deadlineMs()).toBe(-Infinity);
  });
});
