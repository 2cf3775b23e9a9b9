// Rows of the scenario table that need two, three or four hosts: placement by the rules, machines that come and go.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Ended } from '../../../lab/script.ts';
import { eventually } from '../../support/eventually.ts';
import {
  fixture,
  numbered,
  placesOf,
  type Cluster,
  type Scenarios,
} from '../../support/scenario.ts';

export const twoHosts: Scenarios = {
  hosts: 2,
  rows: {
    MachinesPatchDelete: async (c) => {
      const [id0, id1] = [c.idOf('h1'), c.idOf('h2')];
      await patch(c, [
        { op: 'remove', path: `/${id0}/metadata/foo` },
        { op: 'remove', path: `/${id1}/metadata/ping` },
      ]);
      expect(await metadata(c)).toEqual({ [id0]: { hostname: 'h1' }, [id1]: { hostname: 'h2' } });
    },

    MachinesPatchAddModify: async (c) => {
      const [id0, id1] = [c.idOf('h1'), c.idOf('h2')];
      await patch(c, [
        { op: 'add', path: `/${id0}/metadata/foo`, Value: { value: 'bar' } },
        { op: 'replace', path: `/${id1}/metadata/ping`, Value: { value: 'splat' } },
      ]);
      expect(await metadata(c)).toEqual({
        [id0]: { foo: 'bar', hostname: 'h1' },
        [id1]: { ping: 'splat', hostname: 'h2' },
      });
    },

    InstallUnit: async (c) => {
      await c.ok('load', fixture('hello.service'), fixture('discovery.service'));
      await discoveryIs(c, 'inactive');
      await c.ok('start', 'hello.service');
      await discoveryIs(c, 'active');
      await c.ok('stop', 'hello.service');
      await discoveryIs(c, 'inactive');
    },

    ScheduleReplace: async (c) => {
      for (const i of [0, 1, 2]) await c.ok('start', fixture(`replace.${i}.service`));
      const before = placesOf(await c.active(3));
      await c.ok('start', '--no-block', fixture('replace-kick0.service'));
      const old = before['replace.0.service']!;
      const other = c.hosts.map(({ machineId }) => machineId).find((id) => id !== old);
      await c.unitsSuch('kick0 in the place of replace.0', (rows) => {
        const now = Object.fromEntries(rows.map(({ unit, machine }) => [unit, machine]));
        return now['replace-kick0.service'] === old && now['replace.0.service'] === other;
      });
      await c.active(4);
    },

    ScheduleCircularReplace: async (c) => {
      const columns = ['list-unit-files', '--no-legend', '--fields', 'unit,state'];
      await c.ok('start', fixture('circular/replace.0.service'));
      await c.active(1);
      expect(await c.lines(...columns)).toEqual(['replace.0.service\tlaunched']);
      await c.ok('start', '--no-block', fixture('circular/replace-kick0.service'));
      const files = await c.lines(...columns);
      expect(files).toHaveLength(2);
      expect(files.find((line) => line.startsWith('replace.0.'))).toContain('launched');
      await delay(3_000); // that it does not go round
      expect(await c.active(1)).toHaveLength(1);
    },

    KnownHostsVerification: async (c) => {
      const known = '/tmp/known_hosts';
      const options = ['--strict-host-key-checking=true', `--known-hosts-file=${known}`];
      const uptime = (): Promise<Ended> =>
        c.lab.feed('h1', 'yes\n', 'fleetctl', ...options, 'ssh', c.idOf('h2'), 'uptime');
      const refused = await c.lab.feed(
        'h1',
        'no\n',
        'fleetctl',
        ...options,
        'ssh',
        c.idOf('h2'),
        'uptime',
      );
      expect(refused).toMatchObject({ status: 255, stdout: '' });
      const first = await uptime();
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(first.stdout).toContain('load average');
      expect(first.stderr).toContain('yes/no');
      expect(await c.lab.out('h1', 'cat', known)).toContain('ssh-ed25519');

      await c.lab.wipe('h2');
      await c.machines(1);
      await c.lab.up(2);
      await c.machines(2);
      await c.readHosts();
      const changed = await uptime();
      expect(changed.status).not.toBe(0);
      expect(changed.stdout).toBe('');

      await c.lab.write('h1', known, '');
      // Only the answer is read here: the rest is for the command.
      const words = ['--known-hosts-file', known, 'ssh', c.idOf('h2'), 'cat'];
      const again = await c.lab.feed('h1', 'yes\nthe rest\n', 'fleetctl', ...words);
      expect(again, again.stderr).toMatchObject({ status: 0, stdout: 'the rest\n' });
    },

    DetectMachineId: async (c) => {
      const id = c.idOf('h1');
      await c.lab.write('h2', '/etc/machine-id', `${id}\n`);
      await c.systemctl('h2', 'restart', 'fleet.service');
      expect(await c.fleetService('h2')).toEqual(['ActiveState=active', 'Result=success']);
      const refused = await c.lab.fleetctl('h2', 'list-machines', '--no-legend');
      expect(refused.status).toBe(1);
      expect(refused.stderr).toContain('fleet server unable to communicate with etcd');
      await c.lab.write('h1', '/etc/machine-id', `${id.slice(1)}${id[0] === '0' ? '1' : '0'}\n`);
      await c.systemctl('h1', 'restart', 'fleet.service');
      await eventually(async () => {
        expect((await c.ctl('list-machines', '--no-legend')).status).toBe(0);
      });
      await c.readHosts();
      expect(new Set(c.hosts.map(({ machineId }) => machineId)).size).toBe(2);
      await c.machines(2);
      await c.machines(2, 'h2');
    },
  },
};

export const threeHosts: Scenarios = {
  hosts: 3,
  rows: {
    ScheduleMachineOf: async (c) => {
      for (const { machineId } of c.hosts)
        expect(await c.ssh(machineId, 'uptime')).toContain('load average');
      const files = [0, 1, 2].flatMap((i) => [`ping.${i}.service`, `pong.${i}.service`]);
      await c.ok('start', '--no-block', ...files.map(fixture));
      expect(await c.lines('list-unit-files', '--no-legend')).toHaveLength(6);
      const before = placesOf(await c.active(6));
      for (const i of [0, 1, 2])
        expect(before[`pong.${i}.service`]).toBe(before[`ping.${i}.service`]);
      const machine = before['ping.1.service']!;
      await c.stopFleetOn(machine);
      const at = c.hosts.find(({ machineId }) => machineId !== machine)!.host;
      await c.machines(2, at);
      const after = placesOf(await c.active(6, at));
      expect(after['ping.1.service']).not.toBe(machine);
      expect(after['pong.1.service']).toBe(after['ping.1.service']);
    },

    ScheduleConflicts: async (c) => {
      const files = numbered(5, (i) => fixture(`conflict.${i}.service`));
      await c.ok('start', '--no-block', ...files);
      expect(await c.lines('list-unit-files', '--no-legend')).toHaveLength(5);
      await threeApart(c);
    },

    ScheduleMultipleConflicts: async (c) => {
      const files = numbered(3, (i) => fixture(`conflict.multiple.${i}.service`));
      await c.ok('start', '--no-block', ...files);
      expect(await c.lines('list-unit-files', '--no-legend')).toHaveLength(3);
      await threeApart(c);
    },

    ScheduleConditionMachineID: async (c) => {
      const text = await c.lab.out('h1', 'cat', fixture('hello.service'));
      for (const [i, { machineId }] of c.hosts.entries()) {
        const file = `/tmp/fleet-test-unit-${100 + i}.service`;
        await c.lab.write('h1', file, `${text}\n\n[X-Fleet]\nMachineID=${machineId}\n`);
        await c.ok('start', '--no-block', file);
      }
      const places = placesOf(await c.active(3));
      for (const [i, { machineId }] of c.hosts.entries())
        expect(places[`fleet-test-unit-${100 + i}.service`]).toBe(machineId);
    },

    ScheduleGlobalUnits: async (c) => {
      await c.ok('start', '--no-block', fixture('hello.service'), fixture('goodbye.service'));
      await c.active(2);
      await c.ok('start', '--no-block', fixture('global.service'));
      const rowsOf = async (): Promise<number> =>
        (await c.active(5)).filter(({ unit }) => unit === 'global.service').length;
      expect(await rowsOf()).toBe(3);
      await c.ok('status', '--no-block', 'global.service');
      await c.ok('restart', 'global.service');
      expect(await rowsOf()).toBe(3);
    },

    ScheduleGlobalConflicts: async (c) => {
      await c.ok('start', '--no-block', fixture('conflict-global.0.service'));
      await c.active(3);
      await c.ok('start', '--no-block', fixture('conflict-global.1.service'));
      await delay(2_000); // that none of the other starts
      const rows = await c.active(3);
      expect(new Set(rows.map(({ machine }) => machine)).size).toBe(3);
      expect(rows.filter(({ unit }) => unit !== 'conflict-global.0.service')).toEqual([]);
    },

    TemplatesWithSpecifiersInMetadata: async (c) => {
      await c.ok('submit', fixture('metadata@.service'));
      for (const { host } of c.hosts) await c.ok('start', `metadata@${host}.service`);
      const places = placesOf(await c.active(3));
      for (const { host, machineId } of c.hosts)
        expect(places[`metadata@${host}.service`]).toBe(machineId);
      const invalid = await c.ctl('start', '--block-attempts=20', 'metadata@invalid.service');
      expect(invalid.status).not.toBe(0);
    },

    TunnelScheduleBatchUnits: async (c) => {
      const known = '/tmp/tunnel_known_hosts';
      const tunnel = [
        `--tunnel=${c.addressOf('h2')}`,
        '--strict-host-key-checking=true',
        `--known-hosts-file=${known}`,
      ];
      const hello = fixture('hello.service');
      const first = await c.lab.feed('h1', 'yes\n', 'fleetctl', ...tunnel, 'start', hello);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(first.stderr).not.toContain('Error');
      const files = numbered(10, (i) => fixture(`hello@${i}.service`), 1);
      await c.ok(...tunnel, 'start', ...files);
      await c.active(11);
      // What is reached is the far side: the store is not in reach here, and the unit's machine is not this one.
      expect(await c.ok(...tunnel, 'list-machines')).toContain(c.addressOf('h3'));
      const through = await c.lab.feed(
        'h1',
        'yes\n',
        'fleetctl',
        ...tunnel,
        'ssh',
        c.idOf('h3'),
        'hostname',
      );
      expect(through, through.stderr).toMatchObject({ status: 0, stdout: 'h3\n' });
      expect(await c.lab.exec('h1', 'sh', '-c', 'ls -d /tmp/fleetctl-*')).toMatchObject({
        stdout: '',
      });
    },

    DynamicClusterMemberReboot: async (c) => {
      const files = numbered(3, (i) => fixture(`conflict.${i}.service`));
      await c.ok('start', ...files);
      const before = placesOf(await threeApart(c));
      await c.lab.wipe('h3');
      await c.machines(2);
      await c.lab.up(3);
      await c.machines(3);
      await c.readHosts();
      const after = placesOf(await threeApart(c));
      expect(Object.keys(after).filter((unit) => after[unit] !== before[unit])).toHaveLength(1);
    },
  },
};

export const fourHosts: Scenarios = {
  hosts: 4,
  rows: {
    DynamicClusterNewMemberUnitMigration: async (c) => {
      const names = numbered(3, (i) => `conflict.${i}.service`);
      await c.ok('start', ...names.map(fixture));
      expect(await c.lines('list-units', '--no-legend')).toHaveLength(3);
      const before = placesOf(await threeApart(c));
      const left = before['conflict.1.service']!;
      await c.stopFleetOn(left);
      const at = c.hosts.find(({ machineId }) => machineId !== left)!.host;
      expect(await c.machines(3, at)).not.toContain(left);
      const after = placesOf(await threeApart(c, at));
      expect(after).toMatchObject({
        'conflict.0.service': before['conflict.0.service'],
        'conflict.2.service': before['conflict.2.service'],
      });
      expect(Object.values(before)).not.toContain(after['conflict.1.service']);
    },
  },
};

/** The rows, as soon as three units are active, which are to be on three machines. */
async function threeApart(c: Cluster, host = 'h1'): Promise<Awaited<ReturnType<Cluster['units']>>> {
  const rows = await c.active(3, host);
  expect(new Set(rows.map(({ machine }) => machine)).size).toBe(3);
  return rows;
}

async function discoveryIs(c: Cluster, state: string): Promise<void> {
  await eventually(
    async () => {
      const show = 'systemctl show --property=ActiveState discovery.service';
      const shown = await c.ssh('discovery.service', show);
      expect(shown.trim()).toBe(`ActiveState=${state}`);
    },
    { timeoutMs: 15_000, everyMs: 100 },
  );
}

async function patch(c: Cluster, body: readonly object[]): Promise<void> {
  const answer = await c.http('PATCH', '/machines', { body });
  expect(answer.status, answer.text).toBe(204);
  expect(answer.type).toContain('application/json');
}

/** Metadata by machine; every machine has its address. */
async function metadata(c: Cluster): Promise<Readonly<Record<string, unknown>>> {
  const answer = await c.http('GET', '/machines');
  expect(answer.status).toBe(200);
  expect(answer.type).toContain('application/json');
  const { machines } = JSON.parse(answer.text) as {
    machines: readonly { id: string; primaryIP: string; metadata: unknown }[];
  };
  for (const { id, primaryIP } of machines) expect(primaryIP).toBe(c.addressOf(c.hostOf(id)));
  return Object.fromEntries(machines.map((machine) => [machine.id, machine.metadata]));
}
