// Quadlet files for people at a terminal.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const CONTAINER = '[Container]\nImage=localhost/busybox\nVolume=data.volume:/data\n';

let fleet: Fleet;
beforeEach(async () => {
  fleet = await new Fleet().start({ daemon: { machineID: machineId(1), systemd: 'system' } });
});
afterEach(() => fleet.stop());

async function submit(name: string, text: string): Promise<void> {
  const { status } = await fleet.api.call('PUT', `/fleet/v2/units/${name}`, { text });
  expect(status).toBe(201);
}

describe('fleetctl cat', () => {
  it('prints what was submitted, and with --generated the service', async () => {
    await submit('web.container', CONTAINER);
    await submit('data.volume', '[Volume]\nVolumeName=kept\n');
    expect((await fleet.run('cat', 'web.container')).stdout).toBe(CONTAINER);
    const { status, stdout, stderr } = await fleet.run('cat', '--generated', 'web.container');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('ExecStart=/usr/bin/podman run --name systemd-%N');
    expect(stdout).toContain('-v kept:/data');
    expect(stdout).toContain('Requires=data-volume.service');
  });

  it('--generated asks what the machine of the unit has', async () => {
    await fleet.api.machine(machineId(2), { capabilities: { docker: '20.10.24' } });
    await submit('web.container', CONTAINER);
    await submit('data.volume', '[Volume]\n');
    const path = '/fleet/v2/units/web.container';
    await fleet.api.call('PUT', path, { desiredState: 'launched' });
    await fleet.api.place('web.container', machineId(2));
    const { stdout } = await fleet.run('cat', '--generated', 'web.container');
    expect(stdout).toContain('ExecStart=/usr/bin/docker run --name systemd-%N');
  });

  it('--generated of another unit is the unit', async () => {
    const text = '[Service]\nExecStart=/bin/true\n';
    await submit('a.service', text);
    expect((await fleet.run('cat', '--generated', 'a')).stdout).toBe(text);
  });

  it('--generated warns of what the cluster does not know, and says why there is no service', async () => {
    await submit('web.container', CONTAINER);
    const warned = await fleet.run('cat', '--generated', 'web.container');
    expect(warned.stderr).toBe(
      "WARNING: Unit web.container: line 3, column 8: the Quadlet unit data.volume is not known to the cluster: its names are taken from podman's rule\n",
    );
    await submit('app.container', '[Container]\nImage=app.build\n');
    const refused = await fleet.run('cat', '--generated', 'app.container');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('requested Quadlet unit app.build was not found');
  });
});

describe('fleetctl status and journal', () => {
  it('ask for the service that systemd knows', async () => {
    await fleet.api.machine(machineId(1), { capabilities: { podman: '4.3.1' } });
    await submit('data.volume', '[Volume]\n');
    const path = '/fleet/v2/units/data.volume';
    await fleet.api.call('PUT', path, { desiredState: 'launched' });
    await fleet.api.place('data.volume', machineId(1));
    await fleet.api.report('data.volume', machineId(1), { started: 1, job: 'done' });
    await fleet.run('status', 'data.volume');
    await fleet.run('journal', 'data.volume');
    expect(fleet.spawned.map(({ command }) => command.join(' '))).toEqual([
      'systemctl status -l --no-pager -- data-volume.service',
      'journalctl --unit data-volume.service --no-pager -n 10 --output short',
    ]);
  });
});
