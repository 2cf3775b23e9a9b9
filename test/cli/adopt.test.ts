// fleetctl adopt and destroy of what runs unknown to the store.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { UnitName } from '../../src/model/unit.ts';
import { hashOfOptions } from '../../src/unitfile/hash.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const options = [{ section: 'Service', name: 'ExecStart', value: '/bin/sleep 1000' }];

let fleet: Fleet;
beforeEach(async () => {
  fleet = new Fleet();
  await fleet.start();
  for (const n of [1, 2]) await fleet.host(n);
});
afterEach(() => fleet.stop());

async function orphan(name: string, n: number, activeState = 'active'): Promise<void> {
  const { api } = fleet;
  const unit = name as UnitName;
  const subState = activeState === 'active' ? 'running' : 'dead';
  await api.put('orphan', api.keys.orphan(machineId(n), unit), {
    name: unit,
    machine: machineId(n),
    hash: hashOfOptions(options),
    generation: 4,
    desiredState: 'launched',
    text: TEXT,
    loadState: 'loaded',
    activeState,
    subState,
  });
}

describe('fleetctl adopt', () => {
  it('takes each into the store, says where it runs, and fails for those that nobody runs', async () => {
    await orphan('a.service', 1);
    await orphan('b.service', 2);
    const ended = await fleet.run('adopt', 'a', 'none', 'b.service');
    expect({ ...ended, stdout: ended.stdout.split('\n').toSorted() }).toEqual({
      status: 1,
      stdout: [
        '',
        'Adopted unit a.service on 00010000...',
        'Adopted unit b.service on 00020000...',
      ],
      stderr: [
        "fleetctl: no machine runs unit 'none.service' unknown to the store",
        '  See: fleetctl list-units; fleetctl list-unit-files',
        '',
      ].join('\n'),
    });
    expect(
      (await fleet.run('list-unit-files', '--no-legend', '--fields', 'unit,dstate')).stdout,
    ).toBe('a.service\tlaunched\nb.service\tlaunched\n');
  });

  it('takes the machine by what its id begins with, where several run it', async () => {
    await orphan('a.service', 1);
    await orphan('a.service', 2);
    expect((await fleet.run('adopt', 'a')).stderr).toContain('runs on 2 machines');
    expect((await fleet.run('adopt', '--machine=000', 'a')).stderr).toContain('2 machines');
    expect((await fleet.run('adopt', '--machine=ff', 'a')).stderr).toContain('begins with');
    expect(await fleet.run('adopt', '--machine=0002', 'a')).toEqual({
      status: 0,
      stdout: 'Adopted unit a.service on 00020000...\n',
      stderr: '',
    });
  });

  it('refuses what the store knows', async () => {
    await orphan('a.service', 1);
    await fleet.run('adopt', 'a');
    const { status, stderr } = await fleet.run('adopt', 'a');
    expect([status, stderr]).toEqual([1, expect.stringContaining('is in the store already')]);
  });
});

describe('fleetctl destroy', () => {
  it('ends what runs unknown to the store, and waits for its end', async () => {
    await orphan('a.service', 1);
    await orphan('a.service', 2);
    expect(await fleet.run('destroy', 'a')).toEqual({
      status: 0,
      stdout: 'Destroyed a.service\n',
      stderr: '',
    });
    expect((await fleet.run('list-units', '--no-legend')).stdout).toBe('');
  });
});

describe('fleetctl start', () => {
  it('takes up what runs already, where it runs', async () => {
    fleet.lead();
    await orphan('a.service', 2);
    await fleet.api.call('PUT', '/fleet/v2/units/a.service', { text: TEXT });
    expect((await fleet.run('start', 'a')).stdout).toBe(
      'Unit a.service launched on 00020000.../10.0.0.2\n',
    );
  });

  it('says where it runs, where several machines do, and what to do', async () => {
    fleet.lead();
    for (const n of [1, 2]) await orphan('a.service', n);
    await fleet.api.call('PUT', '/fleet/v2/units/a.service', { text: TEXT });
    const running = fleet.begin(['start', '--timeout=20', 'a']);
    await expect
      .poll(() => running.printed.stderr, { timeout: 8_000 })
      .toContain('machines 00010000, 00020000 run it already, unknown to the store (orphans)');
    await orphan('a.service', 1, 'inactive');
    expect((await running.ended).stdout).toBe('Unit a.service launched on 00020000.../10.0.0.2\n');
  });
});
