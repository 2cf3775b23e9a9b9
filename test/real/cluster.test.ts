// The cluster as a whole on real hosts: placement by the rules, a host that dies, a store that dies, a daemon that dies.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab, type Lab } from '../support/lab.ts';

const examples = '/opt/fleet/units/examples';
const TTL_MS = 3_000;

/** Rows of list-units: unit, host (by its address in list-machines), active state. */
interface Row {
  readonly unit: string;
  readonly host: string;
  readonly active: string;
}

async function rows(lab: Lab, host: string): Promise<readonly Row[]> {
  const hosts = await lab.rows();
  const listed = await lab.fleetctl(
    host,
    'list-units',
    '--no-legend',
    '--full',
    '--fields',
    'unit,machine,active',
  );
  if (listed.status !== 0) throw new Error(listed.stderr);
  return listed.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [unit = '', machine = '', active = ''] = line.split(/\t+/);
      const id = machine.split('/')[0];
      return { unit, active, host: hosts.find((row) => row.machineId === id)?.host ?? machine };
    });
}

/** Every active unit's InvocationID, as 'host unit id', sorted. Two equal answers: nothing was restarted or moved in between. */
async function invocations(
  lab: Lab,
  pattern: string,
  hosts = lab.hosts,
): Promise<readonly string[]> {
  const all = await Promise.all(
    hosts.map(async (host) => {
      const shown = await lab.out(
        host,
        'sh',
        '-c',
        `systemctl show -p Id,InvocationID,ActiveState -- $(systemctl list-units --plain --no-legend '${pattern}' --type=service | cut -d' ' -f1)`,
      );
      return shown
        .split('\n\n')
        .filter((block) => block.includes('ActiveState=active'))
        .map(
          (block) =>
            `${host} ${/^Id=(.*)$/m.exec(block)?.[1]} ${/^InvocationID=(.*)$/m.exec(block)?.[1]}`,
        )
        .filter((line) => line.includes('.service'));
    }),
  );
  return all.flat().sort();
}

function hostOf(found: readonly Row[], unit: string): string | undefined {
  return found.find((row) => row.unit === unit)?.host;
}

async function start(lab: Lab, host: string, ...units: readonly string[]): Promise<void> {
  const ended = await lab.fleetctl(host, 'start', ...units);
  if (ended.status !== 0) throw new Error(`start: ${ended.stderr}`);
}

describe.skipIf(noLab() !== undefined)('a cluster of real hosts', () => {
  it('places templates, a global, a pair and a trio by the rules; a dead host’s units run elsewhere; a dead etcd restarts nothing', async () => {
    await withLab({ hosts: 3, name: 'clu', ttl: '3s' }, async (lab) => {
      await machines(lab, 'h1', 3);
      await lab.fleetctl('h1', 'submit', `${examples}/hello@.service`);
      await start(lab, 'h1', 'hello@1', 'hello@2', 'hello@3');
      await start(lab, 'h2', `${examples}/everywhere.service`);
      await start(lab, 'h2', `${examples}/pair-main.service`, `${examples}/pair-side.service`);
      await start(lab, 'h3', ...[1, 2, 3].map((i) => `${examples}/trio-${i}.service`));
      const placed = await eventually(async () => {
        const found = await rows(lab, 'h1');
        return found.length === 11 && found.every(({ active }) => active === 'active')
          ? found
          : false;
      });
      expect(
        placed
          .filter(({ unit }) => unit === 'everywhere.service')
          .map(({ host }) => host)
          .sort(),
      ).toEqual(['h1', 'h2', 'h3']);
      expect(hostOf(placed, 'pair-side.service')).toBe(hostOf(placed, 'pair-main.service'));
      const trio = [1, 2, 3].map((i) => hostOf(placed, `trio-${i}.service`));
      expect(new Set(trio).size).toBe(3);

      // etcd is away for longer than three leases.
      const before = await invocations(lab, '*');
      await lab.etcd('kill');
      await new Promise((resolve) => setTimeout(resolve, 10_000));
      expect(await invocations(lab, '*')).toEqual(before);
      await lab.etcd('start');
      await machines(lab, 'h1', 3);
      await eventually(
        async () =>
          (await rows(lab, 'h2')).filter(({ active }) => active === 'active').length === 11,
        { timeoutMs: 20_000 },
      );
      expect(await invocations(lab, '*')).toEqual(before);

      // The host of the pair dies; the trio has no free host, and says so.
      const victim = hostOf(placed, 'pair-main.service')!;
      const survivor = lab.hosts.find((host) => host !== victim)!;
      const left = lab.hosts.filter((host) => host !== victim);
      const kept = (await invocations(lab, '*')).filter((line) => !line.startsWith(victim));
      await lab.kill(victim);
      const killedAt = performance.now();
      const moved = placed.filter(
        ({ unit, host }) =>
          host === victim && unit !== 'everywhere.service' && !unit.startsWith('trio'),
      );
      await eventually(
        async () => {
          const found = await rows(lab, survivor);
          return moved.every(({ unit }) =>
            found.some(
              (row) => row.unit === unit && row.active === 'active' && row.host !== victim,
            ),
          );
        },
        { timeoutMs: 30_000 },
      );
      process.stderr.write(
        `  a dead host's units run elsewhere after ${Math.round(performance.now() - killedAt)} ms (ttl ${TTL_MS} ms)\n`,
      );
      const after = await rows(lab, survivor);
      expect(hostOf(after, 'pair-side.service')).toBe(hostOf(after, 'pair-main.service'));
      expect(await invocations(lab, '*', left)).toEqual(expect.arrayContaining([...kept]));
      const homeless = placed.find(({ unit, host }) => unit.startsWith('trio') && host === victim)!;
      const explained = await lab.fleetctl(survivor, 'explain', homeless.unit);
      expect(explained.stdout).toMatch(/trio-\d\.service/);
    });
  });

  it('fleetd killed and restarted with 100 units: the same invocations, no write to unchanged records', async () => {
    await withLab({ hosts: 1, name: 'hun', ttl: '5s' }, async (lab) => {
      await machines(lab, 'h1', 1);
      await lab.fleetctl('h1', 'submit', `${examples}/hello@.service`);
      await start(lab, 'h1', ...Array.from({ length: 100 }, (_, i) => `hello@${i}`));
      await eventually(
        async () =>
          (await rows(lab, 'h1')).filter(({ active }) => active === 'active').length === 100,
      );
      const before = await invocations(lab, 'hello@*');
      const records = await revisions(lab);
      // What comes together shares a transaction: 32 requests at once need no 32 of them.
      const written = records.filter((line) => line.includes('/unit/hello@'));
      expect(new Set(written.map((line) => line.split(' ').at(-1))).size).toBeLessThan(50);
      await lab.out('h1', 'sh', '-c', 'kill -KILL $(pidof fleetd)');
      await machines(lab, 'h1', 1);
      await lab.out('h1', 'systemctl', 'restart', 'fleet');
      await eventually(async () => (await rows(lab, 'h1')).length === 100);
      // Long enough for a report of every unit, had there been any.
      await new Promise((resolve) => setTimeout(resolve, 6_000));
      expect(await invocations(lab, 'hello@*')).toEqual(before);
      expect(await revisions(lab)).toEqual(records);
    });
  });

  it('64 units that hang in start on one host: a 65th is active within 2 s', async () => {
    await withLab({ hosts: 1, name: 'hang' }, async (lab) => {
      await machines(lab, 'h1', 1);
      await lab.write(
        'h1',
        '/tmp/hang@.service',
        '[Service]\nType=notify\nTimeoutStartSec=infinity\nTimeoutStopSec=1\nExecStart=/bin/sleep inf\n',
      );
      const names = Array.from({ length: 64 }, (_, i) => `/tmp/hang@${i}.service`);
      const asked = await lab.fleetctl('h1', 'start', '--no-block', ...names);
      expect(asked.status).toBe(0);
      await eventually(
        async () =>
          (await rows(lab, 'h1')).filter(({ active }) => active === 'activating').length === 64,
        { timeoutMs: 20_000 },
      );
      const began = performance.now();
      await start(lab, 'h1', `${examples}/hello.service`);
      const tookMs = performance.now() - began;
      process.stderr.write(`  the 65th is active after ${Math.round(tookMs)} ms\n`);
      expect(tookMs).toBeLessThan(2_000);
      // A hanging start can still be taken back.
      const destroyed = await lab.fleetctl('h1', 'destroy', 'hang@0.service');
      expect(destroyed.status).toBe(0);
      expect((await rows(lab, 'h1')).map(({ unit }) => unit)).not.toContain('hang@0.service');
      // And fleetd does not wait for what hangs: its machine would count as gone.
      const before = await invocations(lab, 'hang@*');
      const restarting = performance.now();
      await lab.out('h1', 'systemctl', 'restart', 'fleet');
      expect(performance.now() - restarting).toBeLessThan(10_000);
      await machines(lab, 'h1', 1);
      expect(await invocations(lab, 'hang@*')).toEqual(before);
    });
  });
});

/** Mod revisions of all records but those that a machine keeps alive: 'key revision', sorted. */
async function revisions(lab: Lab): Promise<readonly string[]> {
  const address = (await lab.rows())[0]!.address.replace(/\.\d+$/, '.1');
  const { execFile } = await import('node:child_process');
  const json = await new Promise<string>((resolve, reject) => {
    execFile(
      'etcdctl',
      [
        '--endpoints',
        `http://${address}:2379`,
        'get',
        '/_coreos.com/fleet/',
        '--prefix',
        '--keys-only',
        '-w',
        'json',
      ],
      { env: { ...process.env, ETCDCTL_API: '3' }, maxBuffer: 64 << 20 },
      (error, stdout) => (error === null ? resolve(stdout) : reject(error)),
    );
  });
  const { kvs } = JSON.parse(json) as { kvs: { key: string; mod_revision: number }[] };
  return (
    kvs
      .map(({ key, mod_revision }) => `${Buffer.from(key, 'base64').toString()} ${mod_revision}`)
      // `history` is the leader's: when it looked last for what can be forgotten.
      .filter((line) => !/\/c\/machine\/|\/leader |\/history |\/c\/host\//.test(line))
      .sort()
  );
}
