// Rows of the scenario table that need one host: the client, units from start to end, the API, loss of the store.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { VERSION } from '../../../src/runtime/version.ts';
import { eventually } from '../../support/eventually.ts';
import {
  API_PORT,
  fixture,
  linesOf,
  numbered,
  type Cluster,
  type Scenarios,
} from '../../support/scenario.ts';

export const oneHost: Scenarios = {
  hosts: 1,
  rows: {
    FleetctlWithEnv: async (c) => {
      const endpoint = `FLEETCTL_ENDPOINT=http://${c.addressOf('h1')}:${API_PORT}`;
      const listed = await c.lab.out('h1', 'env', endpoint, 'fleetctl', 'list-machines');
      expect(listed).toContain(c.idOf('h1').slice(0, 8));
    },

    ClientVersionFlag: async (c) => {
      expect((await c.ok('version')).trim()).toBe(`fleetctl version ${VERSION}`);
    },

    ClientVersionHelpOutput: async (c) => {
      expect(await c.ok('help')).toContain(VERSION);
    },

    ClientHelpFlag: async (c) => {
      expect(await c.ok('--help')).not.toBe('');
      for (const args of [['-h'], ['help'], []]) await c.ok(...args);
    },

    MachinesList: async (c) => {
      const answer = await c.http('GET', '/machines');
      expect([200, 204]).toContain(answer.status);
      expect(answer.type).toContain('application/json');
    },

    MachinesListBadNextPageToken: async (c) => {
      const answer = await c.http('GET', '/machines?nextPageToken=EwBMLg==');
      expect(answer.status).toBe(400);
      expect(answer.type).toContain('application/json');
    },

    MachinesPatchBad: async (c) => {
      const path = `/${c.idOf('h1')}/foo`;
      for (const patch of [
        { op: 'noop', path: `/${c.idOf('h1')}/metadata/foo`, value: 'bar' },
        { op: 'add', path, value: 'bar' },
        { op: 'add', path, value: '' },
        { op: 'add', path: `/${c.idOf('h1')}/metadata/foo`, value: '' },
      ]) {
        const answer = await c.http('PATCH', '/machines', { body: [patch] });
        expect(answer.status, JSON.stringify(patch)).toBe(400);
        expect(answer.type).toContain('application/json');
      }
    },

    UnitRunnable: async (c) => {
      await c.ok('start', fixture('hello.service'));
      const rows = await c.active(1);
      expect(rows.map(({ unit }) => unit)).toEqual(['hello.service']);
    },

    UnitCat: async (c) => {
      await c.ok('submit', fixture('hello.service'));
      const text = await c.lab.out('h1', 'cat', fixture('hello.service'));
      expect((await c.ok('cat', 'hello.service')).trim()).toBe(text.trim());
    },

    UnitStatus: async (c) => {
      await c.ok('load', fixture('hello.service'));
      expect((await c.ctl('status', 'hello.service')).stdout).toContain('Loaded: loaded');
    },

    UnitSSHActions: async (c) => {
      await c.ok('start', fixture('hello.service'));
      await c.active(1);
      expect(await c.ssh('hello.service', 'echo', 'foo')).toContain('foo');
      const status = await c.ok('--strict-host-key-checking=false', 'status', 'hello.service');
      expect(status).toContain('Active: active');
      const journal = await c.ok(
        '--strict-host-key-checking=false',
        'journal',
        '--sudo',
        'hello.service',
      );
      expect(journal).toContain('Hello, World!');
      const failed = await c.ctl(
        '--strict-host-key-checking=false',
        'ssh',
        '--unit=hello',
        'exit 7',
      );
      expect(failed.status).toBe(7);
    },

    UnitSubmit: async (c) => {
      const names = instances(9);
      for (let round = 0; round < 2; round++) {
        await c.ok('submit', ...names.map(fixture));
        expect(await c.lines('list-unit-files', '--no-legend', '--fields=unit')).toEqual(names);
        for (const name of names) await c.ok('destroy', name);
        expect(await c.lines('list-unit-files', '--no-legend')).toEqual([]);
      }
    },

    UnitLoad: async (c) => {
      const names = instances(6);
      for (let round = 0; round < 2; round++) {
        await c.ok('load', ...names.map(fixture));
        expect((await c.units()).map(({ unit }) => unit)).toEqual(names);
        for (const name of names) await c.ok('unload', name);
        expect(await c.units()).toEqual([]);
      }
    },

    UnitStart: async (c) => {
      const names = instances(3);
      for (let round = 0; round < 2; round++) {
        await c.ok('start', ...names.map(fixture));
        await c.active(3);
        for (const name of names) await c.ok('stop', name);
        await c.active(0);
      }
    },

    UnitRestart: async (c) => {
      const files = instances(3).map(fixture);
      for (let round = 0; round < 2; round++) {
        await c.ok('start', ...files);
        await c.active(3);
        await c.ok('restart', ...files);
        await c.active(3);
        for (const file of files) await c.ok('stop', file);
        await c.active(0);
      }
    },

    UnitSubmitReplace: (c) =>
      replaceAll(c, { verb: 'submit', undo: 'destroy', count: 9, list: 'list-unit-files' }),
    UnitLoadReplace: (c) =>
      replaceAll(c, { verb: 'load', undo: 'unload', count: 6, list: 'list-units' }),
    UnitStartReplace: (c) =>
      replaceAll(c, { verb: 'start', undo: 'stop', count: 3, list: 'list-units' }),

    ListUnitFilesOrder: async (c) => {
      const names = numbered(20, (i) => `hello@${String(i).padStart(2, '0')}.service`, 1);
      for (const name of names) await c.ok('submit', fixture(name));
      expect(await c.lines('list-unit-files', '--no-legend', '--fields', 'unit')).toEqual(names);
    },

    ScheduleOneWayConflict: async (c) => {
      await c.ok('start', '--no-block', fixture('conflicts-with-hello.service'));
      await c.active(1);
      await c.ok('start', '--no-block', fixture('hello.service'));
      expect(await c.lines('list-unit-files', '--no-legend')).toHaveLength(2);
      await delay(1_000); // that hello.service does not start in it
      expect((await c.active(1)).map(({ unit }) => unit)).toEqual(['conflicts-with-hello.service']);
      await c.ok('destroy', 'conflicts-with-hello.service');
      await delay(1_000); // the row's own
      const rows = await c.active(1);
      expect(rows.map(({ unit }) => unit)).toEqual(['hello.service']);
    },

    SingleNodeConnectivityLoss: async (c) => {
      const states = ['inactive', 'loaded', 'launched'] as const;
      const verbs = { inactive: ['submit'], loaded: ['load'], launched: ['start'] };
      for (const state of states)
        for (const kind of ['single', 'global']) {
          const wait = state === 'inactive' ? [] : ['--no-block'];
          await c.ok(...verbs[state], ...wait, fixture(`${kind}@${state}.service`));
        }
      const named = (state: string): string[] => [
        `global@${state}.service`,
        `single@${state}.service`,
      ];
      const asWanted = async (): Promise<void> => {
        const files = await c.lines('list-unit-files', '--no-legend', '--fields', 'unit,dstate');
        expect(files.map((line) => line.split(/\t+/))).toEqual(
          ['inactive', 'launched', 'loaded']
            .flatMap((state) => named(state).map((name) => [name, state]))
            .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
        );
        const found = await c.unitsSuch(
          'loaded ones inactive, launched ones active',
          (rows) =>
            rows.every(
              ({ unit, active }) => active === (unit.includes('@launched') ? 'active' : 'inactive'),
            ) && rows.length === 4,
        );
        expect(found.map(({ unit }) => unit)).toEqual(
          [...named('launched'), ...named('loaded')].toSorted(),
        );
      };
      await asWanted();

      await cutStore(c, 'reject');
      try {
        await delay(CUT_MS);
        for (const name of [...named('loaded'), ...named('launched')]) {
          const { stdout } = await c.lab.exec('h1', 'systemctl', 'is-enabled', name);
          expect(stdout.trim(), name).toBe('linked-runtime'); // with status 1, as systemctl has it for links
        }
        const running = await c.systemctl('h1', 'list-units', '-t', 'service', '--plain');
        for (const name of named('launched'))
          expect(running).toMatch(new RegExp(`^${name}\\s+loaded\\s+active\\s+running`, 'm'));
        for (const name of [...named('loaded'), ...named('inactive')])
          expect(running).not.toContain(name);
      } finally {
        await healStore(c);
      }
      await delay(CUT_MS);
      await asWanted();
      const systemd = await c.lab.journal('h1', '_PID=1');
      expect(systemd).toContain('single@launched.service');
      expect(systemd).not.toMatch(/Stopping (single|global)@/);
    },

    ReconfigureServer: async (c) => {
      await c.ok('start', fixture('hello.service'));
      await c.ok('unload', 'hello.service');
      await c.systemctl('h1', 'kill', '-s', 'SIGHUP', 'fleet');
      await eventually(() => c.lab.out('h1', 'test', '-S', '/var/run/fleet.sock'), STATES);
      const journal = async (): Promise<string> =>
        await c.lab.out('h1', 'sh', '-c', 'journalctl --priority=info _PID=$(pidof fleetd)');
      await eventually(async () => (await journal()).includes('Reloading configuration'), STATES);
      await c.ok('list-units');
      expect(await journal()).not.toContain('Failed serving HTTP on listener:');
      expect(await c.fleetService('h1')).toEqual(['ActiveState=active', 'Result=success']);
    },

    ShutdownVsMonitor: async (c) => {
      const monitorSpoke = async (): Promise<number> =>
        (await c.lab.journal('h1', '-u', 'fleet')).split(MONITOR).length - 1;
      await c.ok('start', fixture('hello.service'));
      // The row's own order first; then the stop comes before anybody has noticed the loss.
      for (const waits of [true, false]) {
        const before = await monitorSpoke();
        await cutStore(c, 'drop');
        try {
          if (waits) await eventually(async () => (await monitorSpoke()) > before, STATES);
          const began = performance.now();
          await c.systemctl('h1', 'stop', 'fleet');
          expect(performance.now() - began).toBeLessThan(15_000);
          expect(await c.fleetService('h1')).toEqual(['ActiveState=inactive', 'Result=success']);
        } finally {
          await healStore(c);
        }
        await c.systemctl('h1', 'start', 'fleet');
        await c.machines(1);
      }
    },

    Shutdown: async (c) => {
      await c.lab.out('h1', 'sudo', 'systemctl', 'stop', 'fleet');
      expect(await c.fleetService('h1')).toEqual(['ActiveState=inactive', 'Result=success']);
    },

    // The last one: the lab has two hosts from here on.
    NodeShutdown: async (c) => {
      const pin = `pin@${c.idOf('h1')}.service`;
      await c.ok('start', fixture(pin));
      await c.active(1);
      await c.lab.up(2);
      await c.machines(2);
      await c.lab.out('h1', 'sudo', 'systemctl', 'stop', 'fleet');
      await c.machines(1, 'h2');
      await c.active(0, 'h2');
      for (const unit of ['hello.service', pin]) {
        const status = await c.lab.exec('h1', 'systemctl', 'status', unit);
        expect(`${status.stdout}${status.stderr}`).toMatch(/Active: inactive|could not be found/);
      }
    },
  },
};

/** ms; agent_ttl, 5 s for what notices late, 2 s to spare. */
const CUT_MS = 10_000;
const MONITOR = 'Server monitor triggered: Monitor timed out before successful heartbeat';
/** What a state or a line of the journal may take. */
const STATES = { timeoutMs: 15_000, everyMs: 100 };

function instances(count: number): readonly string[] {
  return numbered(count, (i) => `hello@${i}.service`, 1);
}

/** What the firewall of the host does with packets to etcd. */
async function cutStore(c: Cluster, verdict: 'reject' | 'drop'): Promise<void> {
  const rules = [
    'add table inet scenario',
    'add chain inet scenario out { type filter hook output priority 0; }',
    `add rule inet scenario out tcp dport { 2379, 4001 } ${verdict}`,
  ];
  await c.lab.out('h1', 'nft', rules.join('; '));
}

async function healStore(c: Cluster): Promise<void> {
  await c.lab.out('h1', 'nft', 'delete', 'table', 'inet', 'scenario');
}

interface Replacing {
  readonly verb: 'submit' | 'load' | 'start';
  readonly undo: 'destroy' | 'unload' | 'stop';
  readonly count: number;
  readonly list: 'list-units' | 'list-unit-files';
}

/** Launches units from files, changes the files, and launches them again with --replace. */
async function replaceAll(c: Cluster, { verb, undo, count, list }: Replacing): Promise<void> {
  const names = instances(count);
  const files = names.map((name) => `/tmp/${name}`);
  const text = await c.lab.out('h1', 'cat', fixture('hello.service'));
  const write = (content: string): Promise<unknown> =>
    Promise.all(files.map((file) => c.lab.write('h1', file, content)));
  const all = async (command: string): Promise<readonly string[]> => {
    const printed: string[] = [];
    for (const name of names) printed.push(await c.ok(command, name));
    return printed;
  };
  await write(`${text}\n`);
  await c.ok(verb, ...files);
  const before = await all('cat');
  await write(`${text.replace('sleep 1', 'sleep 2')}\n`);
  await c.ok(verb, '--replace', ...files);
  const rows = await c.lines(list, '--no-legend');
  expect(rows).toHaveLength(count);
  const after = await all('cat');
  for (const [i, changed] of after.entries()) {
    expect(changed).not.toBe(before[i]);
    expect(changed).toContain('sleep 2');
  }
  await all(undo);
  const left = linesOf(
    await c.ok(list, '--no-legend', '--fields', list === 'list-units' ? 'unit,active' : 'unit'),
  );
  expect(left.filter((line) => verb !== 'start' || line.includes('\tactive'))).toEqual([]);
}
