import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';

let fleet: Fleet;
beforeEach(async () => {
  fleet = new Fleet();
  const { api } = await fleet.start();
  await api.machine(machineId(1));
  for (const n of [0x30, 0x31]) {
    const host = { id: machineId(n), lastSeenMs: 1, absentSinceMs: 2 };
    await api.put('host', api.keys.host(host.id), host);
  }
  for (const name of ['a.service', 'b.service']) {
    await api.call('PUT', `/fleet/v2/units/${name}`, { text: TEXT, desiredState: 'launched' });
    await api.place(name, machineId(0x30));
  }
});
afterEach(() => fleet.stop());

describe('fleetctl evict', () => {
  it('marks the absent machine whose id begins so, and says what moves', async () => {
    expect(await fleet.run('evict', '0030')).toEqual({
      status: 0,
      stdout:
        'Evicted machine 00300000...; its 2 units are placed elsewhere where another machine may take them\n',
      stderr: '',
    });
    expect((await fleet.run('evict', machineId(0x31))).stdout).toBe(
      'Evicted machine 00310000...\n',
    );
    const { stdout } = await fleet.run('list-machines', '--no-legend', '--fields', 'status');
    expect(stdout).toBe('ready\nevicted\nevicted\n');
  });

  it.for([
    { named: '003', status: 2, says: "'003' begins the ids of 2 machines" },
    { named: '', status: 2, says: "'' is not the id of a machine, nor the beginning of one" },
    { named: 'h1', status: 2, says: "'h1' is not the id of a machine, nor the beginning of one" },
    { named: 'ff', status: 1, says: "no machine has an id that begins with 'ff'" },
    { named: machineId(0xff), status: 1, says: 'was ever in this cluster' },
    { named: '0001', status: 1, says: `machine '${machineId(1)}' is present` },
  ])("refuses '$named'", async ({ named, status, says }) => {
    const ended = await fleet.run('evict', named);
    expect(ended.status).toBe(status);
    expect(ended.stderr).toContain(says);
    expect(ended.stdout).toBe('');
  });

  it('tells how to take out a machine that is present', async () => {
    expect((await fleet.run('evict', '0001')).stderr).toContain(
      'stop fleet there: systemctl stop fleet.socket fleet.service',
    );
  });
});
