// OnPartition=stop on real hosts: the copy of a host that is cut off, or whose fleetd is frozen, is dead before another is started.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab, type Lab } from '../support/lab.ts';

const TTL_SEC = 6;

/** Says its token, then every 50 ms when it is: all hosts have one kernel, and its clock. */
const service = (traps: string, ...options: readonly string[]): string =>
  [
    '[Service]',
    `ExecStart=/bin/sh -c '${traps} echo token=$FLEET_GENERATION; while :; do read up rest < /proc/uptime; echo alive $$up; sleep 0.05; done'`,
    '[X-Fleet]',
    'MachineMetadata=role=worker',
    ...options,
    '',
  ].join('\n');

const uptime = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);

interface Printed {
  readonly tokens: readonly number[];
  /** s of the kernel's uptime. */
  readonly alive: readonly number[];
}

async function printed(lab: Lab, host: string, unit: string): Promise<Printed> {
  const log = await lab.out(host, 'journalctl', '--no-pager', '-b', '-o', 'cat', '-u', unit);
  const numbers = (pattern: RegExp): number[] =>
    [...log.matchAll(pattern)].map(([, text]) => Number(text));
  return { tokens: numbers(/^token=(\d+)$/gm), alive: numbers(/^alive ([\d.]+)$/gm) };
}

const isActive = async (lab: Lab, host: string, unit: string): Promise<boolean> =>
  (await lab.exec(host, 'systemctl', 'is-active', unit)).stdout.trim() === 'active';

async function hostWith(lab: Lab, unit: string, others: readonly string[]): Promise<string> {
  return await eventually(
    async () => {
      for (const host of others) if (await isActive(lab, host, unit)) return host;
      return false;
    },
    { timeoutMs: 40_000 },
  );
}

const others = (lab: Lab, host: string): readonly string[] =>
  lab.hosts.filter((each) => each !== host);

describe.skipIf(noLab() !== undefined)('OnPartition=stop', () => {
  const options = {
    hosts: 3,
    name: 'cut',
    ttl: `${TTL_SEC}s`,
    metadata: 'role=worker',
    config: ['on_partition_ttl_min=3s'],
  };

  it('a unit is dead before its successor starts: host cut off, fleetd frozen; and starts again where it was after the store is back', async () => {
    await withLab(options, async (lab) => {
      await machines(lab, 'h1', 3);
      const units = {
        'cut.service': service('', 'OnPartition=stop'),
        'frozen.service': service('trap "" TERM;', 'OnPartition=stop'),
        'keeps.service': service(''),
      };
      for (const [name, text] of Object.entries(units))
        await lab.write('h1', `/root/${name}`, text);
      const started = await lab.fleetctl('h1', 'start', '/root/cut.service', '/root/keeps.service');
      expect(started.stderr).toBe('');

      // Cut off: fleetd lives, and no packet comes through.
      const cutHost = await hostWith(lab, 'cut.service', lab.hosts);
      await lab.cut(cutHost);
      const cutAt = uptime();
      const successor = await hostWith(lab, 'cut.service', others(lab, cutHost));
      const before = await printed(lab, cutHost, 'cut.service');
      const after = await printed(lab, successor, 'cut.service');
      expect(before.alive.at(-1)).toBeLessThan(cutAt + TTL_SEC);
      expect(before.alive.at(-1)).toBeLessThan(after.alive[0]!);
      expect(after.tokens[0]).toBeGreaterThan(before.tokens.at(-1)!);
      await lab.heal(cutHost);
      await machines(lab, successor, 3);
      await eventually(
        async () =>
          !(await lab.exec(cutHost, 'systemctl', 'cat', 'cut.service')).stdout.includes('['),
        { timeoutMs: 20_000 },
      );
      expect((await printed(lab, cutHost, 'cut.service')).alive).toEqual(before.alive);

      // Frozen: nobody is there to stop the unit but systemd's own timer; and it does not heed SIGTERM.
      const begun = await lab.fleetctl('h1', 'start', '/root/frozen.service');
      expect(begun.status).toBe(0);
      const frozenHost = await hostWith(lab, 'frozen.service', lab.hosts);
      const pid = await lab.out(frozenHost, 'systemctl', 'show', '-P', 'MainPID', 'fleet');
      await lab.out(frozenHost, 'kill', '-STOP', pid);
      const frozenAt = uptime();
      const next = await hostWith(lab, 'frozen.service', others(lab, frozenHost));
      const old = await printed(lab, frozenHost, 'frozen.service');
      const young = await printed(lab, next, 'frozen.service');
      expect(old.alive.at(-1)).toBeLessThan(frozenAt + TTL_SEC);
      expect(old.alive.at(-1)).toBeLessThan(young.alive[0]!);
      expect(young.tokens[0]).toBeGreaterThan(old.tokens.at(-1)!);
      await lab.out(frozenHost, 'kill', '-CONT', pid);
      await eventually(
        async () =>
          !(await lab.exec(frozenHost, 'systemctl', 'cat', 'frozen.service')).stdout.includes('['),
        { timeoutMs: 20_000 },
      );
      expect((await printed(lab, frozenHost, 'frozen.service')).alive).toEqual(old.alive);

      // The store away for all: such a unit stops, others do not; it starts again when the store is back, and what had ended by itself does not.
      const here = await hostWith(lab, 'cut.service', lab.hosts);
      const keeps = await lab.invocations('keeps.service');
      const tokens = (await printed(lab, here, 'cut.service')).tokens;
      const once = ['OnPartition=stop', 'MachineOf=cut.service'];
      const text = service('', ...once).replace('while :', 'for i in 1 2 3');
      await lab.write('h1', '/root/once.service', text);
      await lab.fleetctl('h1', 'start', '--no-block', '/root/once.service');
      await eventually(async () => (await printed(lab, here, 'once.service')).tokens.length > 0);
      await eventually(async () => !(await isActive(lab, here, 'once.service')));
      await lab.etcd('stop');
      await eventually(async () => !(await isActive(lab, here, 'cut.service')), {
        timeoutMs: 15_000,
      });
      await lab.etcd('start');
      const again = await hostWith(lab, 'cut.service', lab.hosts);
      expect((await printed(lab, again, 'cut.service')).tokens.at(-1)).toBeGreaterThan(
        tokens.at(-1)!,
      );
      expect(await lab.invocations('keeps.service')).toEqual(keeps);
      expect(again).toBe(here);
      expect((await printed(lab, here, 'once.service')).tokens).toHaveLength(1);
      expect(await lab.out(here, 'ls', '/run/fleet/cut-off')).toBe('');
    });
  });

  it('a host whose agent_ttl is too short is given no such unit, and explain says why', async () => {
    await withLab({ ...options, hosts: 1, config: [] }, async (lab) => {
      await machines(lab, 'h1', 1);
      await lab.write('h1', '/root/cut.service', service('', 'OnPartition=stop'));
      await lab.fleetctl('h1', 'start', '--no-block', '/root/cut.service');
      await eventually(async () => {
        const explained = await lab.fleetctl('h1', 'explain', 'cut.service');
        return explained.stdout.includes('does not promise OnPartition=stop');
      });
    });
  });
});
