// What a change costs the store, by count and not by time: the same for both stores, among 10,000 units that nothing happens to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApi, type Api } from '../../src/api/server.ts';
import { FleetClient } from '../../src/api/client.ts';
import type { MachineId } from '../../src/model/machine.ts';
import { decode } from '../../src/registry/codec.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Kv } from '../../src/store/kv.ts';
import { fillCluster } from '../support/big-cluster.ts';
import { machineId, unitName } from '../support/cluster.ts';
import { CountingKv, notedOf, writesIn, type Noted } from '../support/counting-kv.ts';
import { eventually } from '../support/eventually.ts';
import { startMember, type Member } from '../support/fleet-member.ts';

const UNITS = 10_000;
const never = new AbortController().signal;
const keys = keysUnder('/cost/');
/** For the host that is counted. */
const TEXT = '[Service]\nExecStart=/bin/sleep inf\n[X-Fleet]\nMachineMetadata=role=host\n';

/** The parties, each with a count of its own. */
interface Fleet {
  readonly store: Kv;
  readonly api: CountingKv;
  readonly engine: CountingKv;
  /** The host that everything is started on. */
  readonly host: CountingKv;
  /** Another host, that nothing concerns. */
  readonly other: CountingKv;
  readonly client: FleetClient;
  close(): Promise<void>;
}

async function startFleet(store: Kv): Promise<Fleet> {
  await fillCluster(store, keys, { machines: 98, units: UNITS });
  const [api, engine, host, other] = [0, 1, 2, 3].map(() => new CountingKv(store)) as [
    CountingKv,
    CountingKv,
    CountingKv,
    CountingKv,
  ];
  const dir = mkdtempSync(join(tmpdir(), 'fleet-cost-'));
  const member = (kv: Kv, id: MachineId, isEngine: boolean): Promise<Member> =>
    startMember({
      kv,
      keys,
      clock: systemClock,
      id,
      ttlSec: 30,
      metadata: { role: isEngine ? 'host' : 'other' },
      ...(isEngine ? { engine: { kv: engine } } : {}),
    });
  const members = [
    await member(host, machineId('m101'), true),
    await member(other, machineId('m102'), false),
  ];
  const path = join(dir, 'fleet.sock');
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const server: Api = await createApi({
    kv: api,
    keys,
    log,
    version: '2',
    tokenLimit: 100,
    clock: systemClock,
  });
  await server.listen({ path });
  const client = new FleetClient({ endpoints: [`unix://${path}`], requestTimeoutMs: 10_000 });
  return {
    store,
    api,
    engine,
    host,
    other,
    client,
    async close() {
      client.close();
      await server.close();
      for (const each of members) await each.kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function stateOf(kv: Kv, name: string): Promise<string | undefined> {
  const { kvs } = await kv.range(keys.statesOf(unitName(name)), {}, never);
  const [row] = kvs;
  if (row === undefined) return undefined;
  const { activeState, job } = decode('state', row.key, row.value);
  return `${activeState} ${job ?? ''}`;
}

/** Nothing is under way any more: no party has written for a while. */
async function quiet({ api, engine, host, other }: Fleet): Promise<void> {
  const parties = [api, engine, host, other];
  await eventually(
    async () => {
      for (const party of parties) party.take();
      await delay(300);
      return parties.every((party) => writesIn(party.take()).length === 0);
    },
    { timeoutMs: 20_000 },
  );
}

/** The prefixes that were listed, but for those of the unit's own keys, and for orphans, of which there are none. */
function foreignRanges(noted: readonly Noted[], name: string): readonly string[] {
  const own = keys.statesOf(unitName(name));
  return notedOf(noted, 'range')
    .filter(({ prefix, keys: found }) => prefix !== keys.orphans || found > 0)
    .map(({ prefix }) => prefix)
    .filter((prefix) => prefix !== own);
}

/** Registers the suite for one kind of store. `open` answers a fresh one. */
export function costSuite(kind: string, open: () => Promise<Kv & AsyncDisposable>): void {
  describe(`cost of a change among 10,000 units, ${kind}`, () => {
    let fleet: Fleet;
    let store: Kv & AsyncDisposable;

    beforeAll(async () => {
      store = await open();
      fleet = await startFleet(store);
      // The first unit shows that the engine leads and the host is there.
      await fleet.client.putUnit('first.service', { text: TEXT, desiredState: 'launched' }, never);
      await eventually(async () => (await stateOf(store, 'first.service')) === 'active done', {
        timeoutMs: 30_000,
      });
      await quiet(fleet);
    });

    afterAll(async () => {
      await fleet.close();
      await store[Symbol.asyncDispose]();
    });

    it('starting a unit takes at most 4 writes, lists nothing, and concerns one host', async () => {
      const name = 'new.service';
      const text = `# new\n${TEXT}`;
      await fleet.client.putUnit(name, { text, desiredState: 'launched' }, never);
      await eventually(async () => (await stateOf(store, name)) === 'active done');
      await delay(300);
      const noted = {
        api: fleet.api.take(),
        engine: fleet.engine.take(),
        host: fleet.host.take(),
        other: fleet.other.take(),
      };
      const all = Object.values(noted).flat();
      expect(writesIn(all).length).toBeLessThanOrEqual(4);
      expect(writesIn(all).flatMap(({ put }) => put).length).toBeLessThanOrEqual(6);
      expect(foreignRanges(all, name)).toEqual([]);
      expect(notedOf(all, 'watch')).toEqual([]);
      const schedule = keys.schedule(machineId('m101'), unitName(name));
      expect(notedOf(noted.host, 'event').map(({ key }) => key)).toEqual([schedule]);
      expect(noted.other.filter(({ kind: what }) => what !== 'renew')).toEqual([]);
    });

    it('asking after one unit reads what is stored of it, and its machine', async () => {
      await fleet.client.statesOf('new.service', never);
      await fleet.client.unit('new.service', never);
      const noted = fleet.api.take();
      const found = notedOf(noted, 'range').reduce((sum, { keys: count }) => sum + count, 0);
      expect(found).toBeLessThanOrEqual(3);
      expect(notedOf(noted, 'txn').flatMap(({ got }) => got).length).toBeLessThanOrEqual(8);
    });

    it('stopping a unit takes at most 3 writes, and no leader', async () => {
      await fleet.client.putUnit('first.service', { desiredState: 'loaded' }, never);
      await eventually(
        async () => (await stateOf(store, 'first.service'))?.startsWith('inactive') === true,
      );
      await delay(300);
      const [api, engine, host] = [fleet.api.take(), fleet.engine.take(), fleet.host.take()];
      expect(writesIn([...api, ...host]).length).toBeLessThanOrEqual(3);
      expect(writesIn(engine)).toEqual([]);
      expect(foreignRanges([...api, ...engine, ...host], 'first.service')).toEqual([]);
    });

    it('destroying a unit takes at most 4 writes, and leaves no key of it', async () => {
      const name = unitName('new.service');
      await fleet.client.destroyUnit(name, never);
      const left = [keys.unit(name), keys.placed(name), keys.schedule(machineId('m101'), name)];
      await eventually(async () => {
        const then = left.map((key) => ({ kind: 'get', key }) as const);
        const { gets } = await store.txn({ then }, never);
        return gets.every((found) => found === undefined);
      });
      await delay(300);
      const all = [fleet.api, fleet.engine, fleet.host].flatMap((party) => party.take());
      expect(writesIn(all).length).toBeLessThanOrEqual(4);
      expect(foreignRanges(all, name)).toEqual([]);
      expect(await stateOf(store, name)).toBeUndefined();
    });

    it('an idle cluster asks for nothing but its leases', async () => {
      // The leader looks at the store's history when it begins, and every five minutes.
      const looked = async () => (await store.range(keys.history, {}, never)).kvs.length > 0;
      await eventually(looked, { timeoutMs: 15_000 });
      await quiet(fleet);
      const parties = [fleet.api, fleet.engine, fleet.host, fleet.other];
      for (const party of parties) party.take();
      await delay(12_000); // two looks at all units, and two rounds of housekeeping
      const noted = parties.map((party) => party.take());
      expect(noted.flat().filter(({ kind: what }) => what !== 'renew')).toEqual([]);
      const renewals = noted.map((of) => notedOf(of, 'renew').length);
      // The leader's lease of 5 s is renewed every 5/3 s, a machine's of 30 s every 10 s.
      expect(renewals[1]).toBeLessThanOrEqual(9);
      expect(renewals[2]).toBeLessThanOrEqual(2);
      expect(renewals[3]).toBeLessThanOrEqual(2);
    });
  });
}
