// Records that nobody can read, in every kind of key, on a real etcd under whole fleetds: each is named, and what it concerns goes on as it is.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FleetClient } from '../../src/api/client.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { silentLog, type Log } from '../../src/runtime/log.ts';
import type { Kv, Operation } from '../../src/store/kv.ts';
import { forever, machineId } from '../support/api.ts';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { SimulatedHost } from '../support/simulated-host.ts';

if (etcdMissing !== undefined) process.stderr.write(`skipped: ${etcdMissing}\n`);

const keys = keysUnder('/_coreos.com/fleet/');
const M1 = machineId(1);
const M2 = machineId(2);
const text = (words = ''): string => `[Service]\nExecStart=/bin/sleep infinity\n${words}`;
const name = (short: string): UnitName => `${short}.service` as UnitName;

/** Values that are no record: of none of the kinds. */
const VALUES: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['no JSON', '{"v":1,'],
  ['a list', '[]'],
  ['null', 'null'],
  ['another version', '{"v":2,"name":"later.service"}'],
  ['another shape', '{"v":1,"name":7,"options":{"__proto__":[]}}'],
  ['a million bytes', `{"v":1,"name":"${'x'.repeat(1_000_000)}"}`],
  ['deep nesting', `${'['.repeat(50_000)}${']'.repeat(50_000)}`],
  ['bytes that are no text', '\u0000\uFFFF\u0007'],
];

/** Keys that no version of fleet has written. */
const STRANGE_KEYS = [
  keys.units,
  `${keys.units}a/b`,
  `${keys.units}no unit`,
  `${keys.units}..`,
  `${keys.units}%zz`,
  keys.placements,
  `${keys.placements}../x`,
  `${keys.globals}no unit`,
  `${keys.schedules}nobody/a.service`,
  keys.scheduleOf(M1),
  `${keys.scheduleOf(M1)}no unit`,
  `${keys.scheduleOf(M1)}a/b/c`,
  `${keys.machines}short`,
  `${keys.machines}${'f'.repeat(32)}`,
  `${keys.hosts}short`,
  `${keys.hosts}${'e'.repeat(32)}`,
  `${keys.metadataOf(M1)}%zz`,
  keys.metadataOf(M1),
  `${keys.metadataAll}nobody/role`,
  `${keys.cluster}nosuch/kind`,
  `${keys.cluster}nosuch`,
  `${keys.states}short`,
  `${keys.states}a.service/nobody`,
  `${keys.pendings}no unit`,
  `${keys.orphans}nobody/a.service`,
  `${keys.orphansOf(M1)}x`,
  `${keys.files}short`,
  `${keys.prefix}nosuch`,
];

describe.skipIf(etcdMissing !== undefined)('a cluster with poisoned records', () => {
  const dir = mkdtempSync(join(tmpdir(), 'fleet-poison-'));
  const logged: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[] =
    [];
  const note =
    (level: string) =>
    (fields: object, message: string): void =>
      void logged.push({ level, message, fields: fields as Readonly<Record<string, unknown>> });
  const log: Log = { ...silentLog, error: note('error'), warn: note('warn'), child: () => log };
  let etcd: EtcdCluster;
  let kv: Kv;
  let hosts: SimulatedHost[] = [];
  let clients: FleetClient[] = [];

  beforeAll(async () => {
    etcd = await startEtcd();
    kv = await openStore(etcd.endpoints, { requestTimeoutMs: 5_000 });
    const [{ clientPort: etcdPort } = { clientPort: 0 }] = etcd.members;
    for (const [i, machine] of [M1, M2].entries()) {
      const own = join(dir, `host${i + 1}`);
      mkdirSync(own);
      const metadata = `rack=${i + 1}`;
      hosts.push(
        await SimulatedHost.open({ machine, dir: own, etcdPort, ttlSec: 10, metadata, log }),
      );
    }
    for (const host of hosts) host.start();
    clients = hosts.map(
      ({ socket }) => new FleetClient({ endpoints: [`unix://${socket}`], requestTimeoutMs: 5_000 }),
    );
    await eventually(async () => (await clients[0]!.machines(forever)).length === 2);
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await Promise.all(hosts.map((host) => host.close()));
    await kv.close();
    await etcd.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const put = (key: string, value: string): Promise<unknown> =>
    kv.txn({ then: [{ kind: 'put', key, value }] }, forever);
  const launch = (short: string, words = ''): Promise<unknown> =>
    clients[0]!.putUnit(name(short), { text: text(words), desiredState: 'launched' }, forever);
  const running = (): string[] => hosts.map(({ systemd }) => systemd.active().toSorted().join(' '));
  const metric = async (): Promise<number> => {
    const { text: all } = await getText(hosts[0]!.socket, '/metrics');
    return Number(/^fleet_registry_unreadable_records_total (\d+)$/m.exec(all)?.[1]);
  };

  it.for(VALUES)(
    'goes on with what can be read while records are %s',
    async ([, value], { task }) => {
      const id = String(VALUES.findIndex(([what]) => task.name.endsWith(what)));
      const own = ['unit', 'placed', 'schedule', 'state'].map((kind) => `${kind}${id}`);
      for (const short of own) await launch(short, '[X-Fleet]\nMachineMetadata=rack=1\n');
      await launch(`global${id}`, '[X-Fleet]\nGlobal=true\n');
      const all = [...own, `global${id}`].map(name);
      await eventually(() => all.every((one) => hosts[0]!.systemd.active().includes(one)));
      await eventually(() => hosts[1]!.systemd.active().includes(name(`global${id}`)));
      // A row that its host is about to write would not stay as it is poisoned.
      const rows = async (): Promise<number> => {
        const states = await clients[0]!.states(forever);
        return states.filter((one) => all.some((own) => own === one.name) && one.job === 'done')
          .length;
      };
      await eventually(async () => (await rows()) === all.length + 1);
      for (const { systemd } of hosts) systemd.calls.length = 0;
      const before = running();
      const counted = await metric();

      const poisoned = [
        keys.unit(name(`unit${id}`)),
        keys.placed(name(`placed${id}`)),
        keys.schedule(M1, name(`schedule${id}`)),
        keys.global(name(`global${id}`)),
        keys.state(name(`state${id}`), M1),
        keys.pending(name(`unit${id}`)),
        keys.host(M2),
        keys.orphan(M2, name(`orphan${id}`)),
        keys.metadata(M2, `key${id}`),
      ];
      const get = (key: string) => ({ kind: 'get', key }) as const;
      const { gets: healthy } = await kv.txn({ then: poisoned.map(get) }, forever);
      for (const key of poisoned) await put(key, value);
      try {
        // The rest goes on: another unit is placed, started and told of.
        await launch(`after${id}`, '[X-Fleet]\nMachineMetadata=rack=1\n');
        await eventually(() => hosts[0]!.systemd.active().includes(name(`after${id}`)));
        const seen = async (client: FleetClient): Promise<boolean> => {
          const { states = [] } = await client.unit(name(`after${id}`), forever);
          return states.some(({ systemdActiveState }) => systemdActiveState === 'active');
        };
        await eventually(() => seen(clients[1]!));
        for (const client of clients) {
          await client.units(forever);
          await client.states(forever);
          await client.machines(forever);
          for (const one of all)
            await client.explain(one, forever).catch((error: { code?: string }) => {
              expect(error.code).toBe('UNIT_NOT_FOUND');
            });
        }
        // What they concern is left alone.
        expect(running()).toEqual([
          `${before[0]} ${name(`after${id}`)}`.split(' ').toSorted().join(' '),
          before[1],
        ]);
        expect(
          hosts.flatMap(({ systemd }) => systemd.calls).filter((call) => call.startsWith('stop')),
        ).toEqual([]);
        // Named and counted.
        // Nobody asks why a unit is not placed while its own record cannot be read.
        const unread = keys.pending(name(`unit${id}`));
        await eventually(() => {
          const named = new Set(logged.map(({ fields }) => fields['key']));
          expect(poisoned.filter((key) => !named.has(key) && key !== unread)).toEqual([]);
        });
        expect(await metric()).toBeGreaterThan(counted);
        expect(logged.filter(({ message }) => message.includes('fault'))).toEqual([]);

        // A unit whose record is poisoned can be destroyed, and then there is nothing of it.
        await clients[0]!.destroyUnit(name(`unit${id}`), forever);
        await eventually(() => !hosts[0]!.systemd.active().includes(name(`unit${id}`)));
      } finally {
        // As they were; what was destroyed or written anew meanwhile stays so.
        for (const [i, key] of poisoned.entries()) {
          const before = healthy[i]?.value;
          const back =
            before === undefined ? { kind: 'delete', key } : { kind: 'put', key, value: before };
          const compares = [{ key, target: 'value', equals: value } as const];
          await kv.txn({ compares, then: [back as Operation] }, forever);
        }
      }
    },
  );

  it('takes no record for that of the key it stands under, when it is of another', async () => {
    const rack = '[X-Fleet]\nMachineMetadata=rack=1\n';
    await launch('real', rack);
    await eventually(
      async () => (await clients[0]!.unit(name('real'), forever)).states?.length === 1,
    );
    const copies = [
      [keys.unit(name('real')), keys.unit(name('copy'))],
      [keys.placed(name('real')), keys.placed(name('copy'))],
      [keys.schedule(M1, name('real')), keys.schedule(M1, name('copy'))],
      [keys.state(name('real'), M1), keys.state(name('copy'), M1)],
      [keys.machine(M1), keys.machine(machineId(3))],
    ] as const;
    for (const [from, to] of copies) {
      const { gets } = await kv.txn({ then: [{ kind: 'get', key: from }] }, forever);
      await put(to, gets[0]!.value);
    }
    await launch('next', rack);
    await eventually(() => hosts[0]!.systemd.active().includes(name('next')));
    const units = (await clients[0]!.units(forever)).map((unit) => unit.name);
    expect(units.filter((one) => one === name('real') || one === name('copy'))).toEqual([
      name('real'),
    ]);
    expect((await clients[0]!.machines(forever)).length).toBe(2);
    expect(hosts[0]!.systemd.active()).toContain(name('real'));
    expect(logged.filter(({ message }) => message.includes('fault'))).toEqual([]);
    for (const [, key] of copies) await kv.txn({ then: [{ kind: 'delete', key }] }, forever);
  });

  it('goes on while there are keys that no version of fleet has written', async () => {
    const before = running();
    for (const { systemd } of hosts) systemd.calls.length = 0;
    for (const key of STRANGE_KEYS) await put(key, '{"v":1}');
    await launch('strange');
    await eventually(() => running().join(' ').includes('strange.service'));
    // Another leader, and hosts that read everything anew, find them too.
    for (const host of hosts) {
      await host.stop();
      host.start();
      await eventually(async () => (await kv.range(keys.leader, {}, forever)).kvs.length > 0);
    }
    const settled = async (): Promise<boolean> => {
      await launch('afterwards');
      return running().join(' ').includes('afterwards.service');
    };
    await eventually(settled, { timeoutMs: 20_000 });
    for (const client of clients) {
      const units = await eventually(() => client.units(forever));
      expect(units.map((unit) => unit.name)).toContain('afterwards.service');
      await client.states(forever);
      expect((await client.machines(forever)).map(({ id }) => id)).toEqual(
        expect.arrayContaining([M1, M2]),
      );
    }
    for (const one of before.join(' ').split(' ')) expect(running().join(' ')).toContain(one);
    expect(
      hosts.flatMap(({ systemd }) => systemd.calls).filter((call) => call.startsWith('stop')),
    ).toEqual([]);
    expect(logged.filter(({ message }) => message.includes('fault'))).toEqual([]);
    for (const key of STRANGE_KEYS) await kv.txn({ then: [{ kind: 'delete', key }] }, forever);
  });
});

async function getText(socketPath: string, path: string): Promise<{ text: string }> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    request({ socketPath, path, agent: false }, (response) => {
      let all = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (all += chunk));
      response.once('end', () => resolve({ text: all }));
    })
      .once('error', reject)
      .end();
  });
}
