import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab, type Lab } from '../support/lab.ts';

const examples = '/opt/fleet/units/examples';

describe.skipIf(noLab() !== undefined)('fleet.service', () => {
  it('a restart, a kill and a reload of fleetd, and the end of its socket, leave units alone', async () => {
    await withLab({ hosts: 2, name: 'svc' }, async (lab) => {
      await machines(lab, 'h1', 2);
      const started = await lab.fleetctl('h1', 'start', `${examples}/everywhere.service`);
      expect(started.status).toBe(0);
      await eventually(async () => Object.keys(await invocations(lab)).length === 2);
      const before = await invocations(lab);
      const first = await lab.out('h1', 'pidof', 'fleetd');

      await lab.out('h1', 'systemctl', 'restart', 'fleet');
      await machines(lab, 'h1', 2);
      const second = await lab.out('h1', 'pidof', 'fleetd');
      expect(second).not.toBe(first);

      await lab.out('h1', 'sh', '-c', 'kill -KILL $(pidof fleetd)');
      await eventually(async () => {
        const third = await lab.exec('h1', 'pidof', 'fleetd');
        return third.status === 0 && third.stdout.trim() !== second;
      });
      await machines(lab, 'h1', 2);

      await lab.out('h1', 'systemctl', 'reload', 'fleet');
      await eventually(async () =>
        (await lab.journal('h1', '-u', 'fleet')).includes('Reloading configuration'),
      );
      await lab.out('h1', 'systemctl', 'stop', 'fleet.socket');
      expect(await lab.out('h1', 'systemctl', 'is-active', 'fleet.service')).toBe('active');
      expect(await invocations(lab)).toEqual(before);
    });
  });

  it('stop takes the machine out of the cluster, stops its units, and ends well', async () => {
    await withLab({ hosts: 2, name: 'stop', ttl: '30s' }, async (lab) => {
      await machines(lab, 'h1', 2);
      await lab.fleetctl('h1', 'start', `${examples}/everywhere.service`);
      await eventually(async () => Object.keys(await invocations(lab)).length === 2);

      await lab.out('h1', 'systemctl', 'stop', 'fleet.socket', 'fleet.service');
      const shown = await lab.out('h1', 'systemctl', 'show', '-p', 'Result,ActiveState', 'fleet');
      expect(shown.split('\n').sort()).toEqual(['ActiveState=inactive', 'Result=success']);
      await machines(lab, 'h2', 1);
      expect(Object.keys(await invocations(lab))).toEqual(['h2']);
    });
  });
});

function invocations(lab: Lab): Promise<Readonly<Record<string, string>>> {
  return lab.invocations('everywhere.service');
}
