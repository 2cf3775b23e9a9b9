// A host that boots without the store: what it starts, and what it does when the store is back.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab, type Lab } from '../support/lab.ts';

const service = (...options: readonly string[]): string =>
  `[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\n${options.join('\n')}\n`;

/** Writes the units to /root of the host and starts them. */
async function startAll(
  lab: Lab,
  host: string,
  units: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, text] of Object.entries(units)) await lab.write(host, `/root/${name}`, text);
  const paths = Object.keys(units).map((name) => `/root/${name}`);
  const ended = await lab.fleetctl(host, 'start', ...paths);
  if (ended.status !== 0) throw new Error(`start: ${ended.stderr}`);
}

const isActive = async (lab: Lab, host: string, unit: string): Promise<boolean> =>
  (await lab.exec(host, 'systemctl', 'is-active', unit)).stdout.trim() === 'active';

describe.skipIf(noLab() !== undefined)('hosts that lose the store', () => {
  it('a host that boots without the store starts its global and pinned units, and restarts none when the store is back', async () => {
    await withLab({ hosts: 1, name: 'boot', ttl: '3s' }, async (lab) => {
      await machines(lab, 'h1', 1);
      const id = (await lab.rows())[0]!.machineId;
      const units = {
        'every.service': service('Global=true'),
        'never.service': service('Global=true', 'BootWithoutStore=no'),
        'pinned.service': service(`MachineID=${id}`),
        'plain.service': service(),
        'asked.service': service('BootWithoutStore=yes'),
      };
      await startAll(lab, 'h1', units);
      for (const unit of Object.keys(units))
        await eventually(() => isActive(lab, 'h1', unit), { timeoutMs: 20_000 });
      await lab.kill('h1');
      await lab.etcd('stop');
      await lab.boot('h1');
      const alone = ['every.service', 'pinned.service', 'asked.service'];
      for (const unit of alone)
        await eventually(() => isActive(lab, 'h1', unit), { timeoutMs: 30_000 });
      expect(await lab.journal('h1', '-u', 'fleet')).toContain('starting from the disk');
      const runs = (): Promise<string[]> =>
        Promise.all(
          alone.map((unit) => lab.out('h1', 'systemctl', 'show', '-P', 'InvocationID', unit)),
        );
      const before = await runs();
      for (const unit of ['never.service', 'plain.service'])
        expect(await isActive(lab, 'h1', unit)).toBe(false);
      await lab.etcd('start');
      for (const unit of ['never.service', 'plain.service'])
        await eventually(() => isActive(lab, 'h1', unit), { timeoutMs: 30_000 });
      expect(await runs()).toEqual(before);
    });
  });
});
