import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../agent/disk.ts';
import { IdentityFile } from '../../../agent/identity.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import { Presence } from '../../../agent/presence.ts';
import { FleetError } from '../../../src/model/errors.ts';
import type { Machine, MachineId } from '../../../src/model/machine.ts';
import { decode, encode } from '../../../src/registry/codec.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { eventually } from '../../support/eventually.ts';

const id = 'b'.repeat(32) as MachineId;
const keys = keysUnder('/t/');
const forever = new AbortController().signal;

let kv: Kv;
let dir: string;
let ends: (() => Promise<void>)[];

interface Runs {
  readonly presence: Presence;
  /** Ends it as a crash does: nothing is given back. */
  kill(): Promise<void>;
}

async function run(
  host: string,
  { disk = localDisk, store = kv, ttlSec = 2 }: { disk?: Disk; store?: Kv; ttlSec?: number } = {},
): Promise<Runs> {
  const identity = await IdentityFile.open(
    join(dir, host, 'identity.json'),
    { bootId: 'boot', machineId: 'm' },
    { disk, newId: randomUUID },
  );
  const presence = new Presence({
    kv: store,
    keys,
    clock: systemClock,
    random: () => 0.5,
    log: silentLog,
    identity,
    facts: () => ({
      id,
      primaryIp: '10.0.0.1',
      hostname: host,
      metadata: {},
      version: '2',
      capacity: { cpus: 1, memoryBytes: 1 },
      capabilities: {},
      ttlSec,
    }),
  });
  const end = new AbortController();
  const running = presence.run(end.signal).catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  const kill = async (): Promise<void> => {
    end.abort(new Error('killed'));
    await running;
  };
  ends.push(kill);
  return { presence, kill };
}

async function stored(): Promise<
  { machine: Machine; revision: bigint; lease?: string } | undefined
> {
  const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.machine(id) }] }, forever);
  const found = gets[0];
  return (
    found && {
      machine: decode('machine', found.key, found.value),
      revision: found.modRevision,
      ...(found.lease === undefined ? {} : { lease: found.lease }),
    }
  );
}

const registered = (one: Runs) => eventually(() => one.presence.state === 'registered');

/** The store, but for one method. */
function withMethod<Name extends keyof Kv>(method: Name, does: Kv[Name]): Kv {
  return new Proxy(kv, {
    get(target, name) {
      const value: unknown = name === method ? does : Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Keys below `prefix` that end from now on; `end` says which. */
function deletedFrom(prefix: string): { end(): Promise<readonly string[]> } {
  const deletes: string[] = [];
  const watching = new AbortController();
  const watched = (async () => {
    for await (const batch of kv.watch(prefix, 1n, watching.signal))
      for (const event of batch.events) if (event.kind === 'delete') deletes.push(event.key);
  })();
  return {
    async end() {
      watching.abort();
      await watched.catch(() => undefined);
      return deletes;
    },
  };
}

/** A machine of a short ttl whose key had ended when it came back. */
async function runBack(): Promise<Runs> {
  const first = await run('one', { ttlSec: 1 });
  await registered(first);
  await first.kill();
  await kv.revokeLease((await stored())!.lease!, forever);
  const back = await run('one', { ttlSec: 1 });
  await registered(back);
  return back;
}

beforeEach(() => {
  kv = openEmbeddedStore({ memory: true, clock: systemClock });
  dir = mkdtempSync(join(tmpdir(), 'fleet-presence-'));
  ends = [];
});
afterEach(async () => {
  for (const end of ends) await end();
  await kv.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('Presence', () => {
  it('Presence registers the machine, and writes nothing when fleetd begins anew', async () => {
    const first = await run('one');
    expect(first.presence.unavailable()).toMatch('not registered');
    await registered(first);
    const before = (await stored())!;
    expect(before.machine).toMatchObject({ hostname: 'one', leaving: false });
    await first.kill();
    await registered(await run('one'));
    expect(await stored()).toEqual(before);
  });

  it('Presence answers for a second machine of the same id that it is taken, and the first keeps its key', async () => {
    const first = await run('one');
    await registered(first);
    const before = (await stored())!.machine;
    const second = await run('two');
    await eventually(() => second.presence.state === 'taken');
    expect(second.presence.unavailable()).toMatch('another machine');
    expect(first.presence.state).toBe('registered');
    expect((await stored())!.machine).toEqual(before);
  });

  it('Presence registers the second machine when the first has gone', async () => {
    const first = await run('one');
    await registered(first);
    const second = await run('two');
    await eventually(() => second.presence.state === 'taken');
    await first.kill();
    await registered(second);
    expect((await stored())!.machine.hostname).toBe('two');
  });

  it.each(['answers', 'fails once'])(
    'Presence waits while the other renews its lease and hears nothing, and gives way once it does (the store %s)',
    async (how) => {
      const heard = Promise.withResolvers<void>();
      const deaf = withMethod('watch', async function* (prefix, from, signal) {
        await heard.promise;
        yield* kv.watch(prefix, from, signal);
      });
      const first = await run('one', { ttlSec: 1, store: deaf });
      await registered(first);
      const before = (await stored())!.machine;
      const deletes = deletedFrom(keys.machines);
      let fails = how === 'fails once';
      const failing = withMethod('leaseRemaining', async (...args) => {
        if (!fails) return await kv.leaseRemaining(...args);
        fails = false;
        throw new FleetError('STORE_UNAVAILABLE', 'not now');
      });
      const second = await run('two', { ttlSec: 1, store: failing });
      await eventually(() => second.presence.state === 'claiming');
      await delay(3_000);
      expect(second.presence.state).toBe('claiming');
      expect((await stored())!.machine).toMatchObject({ hostname: 'one' });
      expect(fails).toBe(false);
      heard.resolve();
      await eventually(() => second.presence.state === 'taken');
      expect(first.presence.state).toBe('registered');
      expect((await stored())!.machine).toEqual(before);
      expect(await deletes.end()).toEqual([]);
    },
  );

  it('Presence leaves the key to one of two machines of the same id that find it free at the same time', async () => {
    const looks = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const both = await Promise.all(
      looks.map(async (look, n) => {
        // What the first look of one has found is known to it when the other has looked too.
        const txn: Kv['txn'] = async (asked, signal) => {
          const found = await kv.txn(asked, signal);
          look.resolve();
          await Promise.all(looks.map(({ promise }) => promise));
          return found;
        };
        return await run(`m${n}`, { store: withMethod('txn', txn) });
      }),
    );
    const states = (): readonly string[] => both.map(({ presence }) => presence.state).sort();
    await eventually(() => states().join(' ') === 'registered taken', { timeoutMs: 10_000 });
    const before = await stored();
    await delay(300);
    expect(await stored()).toEqual(before);
    expect(states()).toEqual(['registered', 'taken']);
  });

  it('Presence takes over the key of a boot before without a moment in which it is gone', async () => {
    const before = await run('one');
    await registered(before);
    await before.kill();
    rmSync(join(dir, 'one'), { recursive: true });
    const deletes = deletedFrom(keys.machines);
    const after = await run('one');
    await registered(after);
    await eventually(async () => (await stored())!.machine.incarnation !== '');
    expect(after.presence.unavailable()).toBeUndefined();
    expect(await deletes.end()).toEqual([]);
  });

  it('Presence registers again when its lease or its key was taken away, and says so: others may have acted on it', async () => {
    const one = await run('one');
    await registered(one);
    expect(one.presence.registrations).toBe(1);
    const changed = one.presence.stateChanged(forever);
    await kv.txn({ then: [{ kind: 'delete', key: keys.machine(id) }] }, forever);
    await eventually(() => one.presence.registrations === 2);
    await changed;
    expect(await stored()).toBeDefined();
    const identity = await IdentityFile.open(join(dir, 'one', 'identity.json'), {
      bootId: 'boot',
      machineId: 'm',
    });
    await kv.revokeLease(identity.identity.lease!, forever);
    await eventually(() => one.presence.registrations === 3);
    await eventually(async () => (await stored()) !== undefined);
  });

  it('Presence says that it returned where its key had ended, and goes on saying it; not where it begins, nor where it had left', async () => {
    const first = await run('one');
    await registered(first);
    const { lease, machine, revision } = (await stored())!;
    expect(machine).not.toHaveProperty('returned');
    // The first that it knew was before its key; that it is there it knows by the first renewal.
    await eventually(() => first.presence.reachedAt(revision) <= systemClock.now());
    expect(first.presence.reachedAt(revision)).toBeGreaterThan(-Infinity);
    await first.kill();
    await kv.revokeLease(lease!, forever);
    const second = await run('one');
    await registered(second);
    const back = (await stored())!;
    expect(back.machine).toHaveProperty('returned', true);
    await second.kill();
    const third = await run('one');
    await registered(third);
    expect(await stored()).toEqual(back);
    await third.presence.leave(forever);
    await third.kill();
    await registered(await run('one'));
    expect((await stored())!.machine).not.toHaveProperty('returned');
  });

  it('Presence says that it returned for some ttls, and is one that was always there then', async () => {
    await runBack();
    const backMs = performance.now();
    const { machine, lease } = (await stored())!;
    expect(machine.returned).toBe(true);
    await eventually(async () => (await stored())!.machine.returned === undefined);
    expect(performance.now() - backMs).toBeGreaterThan(2_000);
    expect(await stored()).toMatchObject({ lease });
  });

  it('Presence leaves what it said of its leave as it is, also when it no longer counts as returned', async () => {
    const second = await runBack();
    const said = await second.presence.announceLeave(forever);
    const before = await stored();
    await delay(3_000);
    expect(await stored()).toEqual(before);
    expect(await second.presence.announceLeave(forever)).toBe(said);
  });

  it('Presence does not say that it returned where its key never was there', async () => {
    const put = { kind: 'put', key: keys.format, value: '{"v":99}' } as const;
    await kv.txn({ then: [put] }, forever);
    const first = await run('one');
    const identity = join(dir, 'one', 'identity.json');
    await eventually(() => readFileSync(identity, 'utf8').includes('"lease"'));
    await first.kill();
    await kv.txn({ then: [{ kind: 'delete', key: keys.format }] }, forever);
    await registered(await run('one'));
    expect((await stored())!.machine).not.toHaveProperty('returned');
  });

  it('Presence hangs its key on the lease that it renews, where the same words stand under another one', async () => {
    const one = await run('one');
    await registered(one);
    const { lease: own } = (await stored())!;
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.machine(id) }] }, forever);
    const { key, value } = gets[0]!;
    const putUnder = async (lease: string): Promise<void> =>
      void (await kv.txn({ then: [{ kind: 'put', key, value, lease }] }, forever));
    await putUnder(await kv.grantLease(60, forever));
    await eventually(async () => (await stored())?.lease === own);
    await one.kill();
    await putUnder(await kv.grantLease(60, forever));
    await registered(await run('one'));
    expect(await stored()).toMatchObject({ lease: own });
  });

  it('Presence registers while the disk is full; the next fleetd finds the key, and takes it to a lease of its own', async () => {
    const first = await run('one');
    await registered(first);
    const { lease: lost } = (await stored())!;
    await first.kill();
    await kv.revokeLease(lost!, forever);
    const full: Disk = {
      ...localDisk,
      write: () => Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' })),
    };
    const second = await run('one', { disk: full });
    await registered(second);
    const { lease: unwritten } = (await stored())!;
    await second.kill();
    const third = await run('one');
    await registered(third);
    const { lease } = (await stored())!;
    expect(new Set([lost, unwritten, lease]).size).toBe(3);
  });

  it('Presence takes back what a fleetd before it, which was to leave, has written late', async () => {
    const one = await run('one');
    await registered(one);
    const machine = { ...(await stored())!.machine, leaving: true };
    const value = encode('machine', machine);
    await kv.txn({ then: [{ kind: 'put', key: keys.machine(id), value }] }, forever);
    await eventually(async () => (await stored())?.machine.leaving === false);
    expect((await stored())!.machine).toEqual({ ...machine, leaving: false });
  });

  it('Presence says that it leaves, and gives the key back', async () => {
    const one = await run('one');
    await registered(one);
    await one.presence.announceLeave(forever);
    expect((await stored())!.machine.leaving).toBe(true);
    await one.kill();
    await one.presence.leave(forever);
    expect(await stored()).toBeUndefined();
  });

  it('Presence does not join a cluster of another format', async () => {
    await kv.txn({ then: [{ kind: 'put', key: keys.format, value: '{"v":9}' }] }, forever);
    const one = await run('one');
    await eventually(() => one.presence.unavailable() !== undefined);
    expect(await stored()).toBeUndefined();
  });

  it('Presence is sure of its key for a ttl from each renewal, and of nothing while the key is not there', async () => {
    const one = await run('one');
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
