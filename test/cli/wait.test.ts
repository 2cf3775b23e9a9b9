import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '../../src/runtime/clock.ts';
import type { Kv } from '../../src/store/kv.ts';
import { ApiFixture } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { FaultyKv } from '../support/faulty-kv.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const ON = '00010000.../10.0.0.1';

let fleet: Fleet;
let dir: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  fleet = await new Fleet().start();
});
afterEach(async () => {
  await fleet.stop();
  rmSync(dir, { recursive: true });
});

function file(name: string, fleetOptions = ''): string {
  const path = join(dir, name);
  writeFileSync(path, `${TEXT}[X-Fleet]\n${fleetOptions}`);
  return path;
}

/** A clock on which a sleep of `ms` is short. */
function hasty(ms: number): Clock {
  return {
    ...systemClock,
    sleep: async (forMs, signal) => systemClock.sleep(forMs === ms ? 100 : forMs, signal),
  };
}

describe('fleetctl start while it waits', () => {
  it('says at once which machine refuses why, and goes on waiting', async () => {
    fleet.lead();
    await fleet.host(1, { role: 'db' });
    const path = file('web.service', 'MachineMetadata=role=web\n');
    const { printed, ended } = fleet.begin(['start', path]);
    await eventually(() =>
      expect(printed.stderr).toBe(
        'Unit web.service waits for a machine:\n  machine 00010000 has metadata role=db (needs role=web)\n',
      ),
    );
    await fleet.host(2, { role: 'web' });
    expect(await ended).toMatchObject({
      status: 0,
      stdout: 'Unit web.service launched on 00020000.../10.0.0.2\n',
    });
  });

  it('says so of a unit that has been waiting for long', async () => {
    fleet.lead();
    await fleet.host(1);
    const path = file('web.service', 'MachineMetadata=role=web\n');
    await fleet.run('start', '--no-block', path);
    await eventually(async () =>
      expect((await fleet.run('explain', 'web')).stdout).toContain('needs role=web'),
    );
    const { status, stderr } = await fleet.run('start', '--timeout', '0.05', path);
    expect(status).toBe(1);
    expect(stderr).toBe(
      [
        'Unit web.service waits for a machine:',
        '  machine 00010000 has no metadata role (needs role=web)',
        'fleetctl: gave up after 0.05 s: web.service waits for a machine that may run it (machine 00010000 has no metadata role (needs role=web))',
        '  It goes on by itself; see: fleetctl explain web.service',
        '',
      ].join('\n'),
    );
  });

  it('gives up after --block-attempts of 2 s', async () => {
    fleet.lead();
    const { ended } = fleet.begin(['start', '--block-attempts=20', file('a.service')], {
      clock: hasty(40_000),
    });
    const { status, stderr } = await ended;
    expect(status).toBe(1);
    expect(stderr).toContain('gave up after 40 s: a.service waits for ');
    expect(stderr).toContain('no machine is in the cluster');
  });

  it('breaks its silence: no engine leads', async () => {
    const running = fleet.begin(['start', file('a.service')], { clock: hasty(2_000) });
    await eventually(() =>
      expect(running.printed.stderr).toBe(
        'Waiting for a.service:\n  the engine has not placed it yet\n  no engine leads the cluster now: nothing is placed until one does\n',
      ),
    );
    running.interrupt();
    await running.ended;
  });

  it('names the job that hangs, and the host that refuses', async () => {
    fleet.lead();
    await fleet.host(1);
    fleet.fates.set('a.service', 'hangs').set('b.service', 'refused');
    const { status, stderr } = await fleet.run(
      'start',
      '--timeout',
      '0.3',
      file('a.service'),
      file('b.service'),
    );
    expect(status).toBe(1);
    expect(stderr).toContain(
      `Unit b.service failed on ${ON}: systemd has it already, from '/etc'\n  See: fleetctl journal b.service\n`,
    );
    expect(stderr).toContain(
      "gave up after 0.3 s: a.service waits for systemd's job on 00010000 (activating/start)",
    );
  });

  it('exits 1 with the Result when the job fails', async () => {
    fleet.lead();
    await fleet.host(1);
    fleet.fates.set('a.service', 'failed');
    expect(await fleet.run('start', file('a.service'))).toEqual({
      status: 1,
      stdout: '',
      stderr: `Unit a.service failed on ${ON}: systemd's job ended with 'failed' (failed/failed, Result=exit-code)\n  See: fleetctl journal a.service\n`,
    });
  });

  it('fails when somebody destroys the unit', async () => {
    const running = fleet.begin(['start', file('a.service')]);
    await eventually(async () => (await fleet.api.get('/fleet/v2/units/a.service')).status === 200);
    await fleet.run('destroy', 'a');
    expect(await running.ended).toEqual({
      status: 1,
      stdout: '',
      stderr: 'Unit a.service failed: it was destroyed meanwhile\n',
    });
  });

  it('fails when somebody asks for something else', async () => {
    fleet.lead();
    await fleet.host(1);
    fleet.fates.set('a.service', 'hangs');
    const running = fleet.begin(['start', file('a.service')]);
    await eventually(() => fleet.deeds.length > 0);
    await fleet.run('unload', '--no-block', 'a');
    const { status, stderr } = await running.ended;
    expect(status).toBe(1);
    expect(stderr).toContain('somebody made it inactive meanwhile');
  });

  it('follows a version that somebody else puts in its place', async () => {
    fleet.lead();
    await fleet.host(1);
    fleet.fates.set('a.service', 'hangs');
    const running = fleet.begin(['start', file('a.service')]);
    await eventually(() => fleet.deeds.length > 0);
    fleet.fates.delete('a.service');
    await fleet.api.call('PUT', '/fleet/v2/units/a.service', { text: `${TEXT}Nice=1\n` });
    expect(await running.ended).toMatchObject({
      status: 0,
      stdout: `Unit a.service launched on ${ON}\n`,
    });
  });

  it('is interrupted with status 130', async () => {
    const running = fleet.begin(['start', file('a.service')]);
    await eventually(async () => (await fleet.api.get('/fleet/v2/units/a.service')).status === 200);
    running.interrupt();
    expect((await running.ended).status).toBe(130);
  });
});

describe('fleetctl destroy while it waits', () => {
  it('ends when the hosts have stopped the unit, also when it was created anew', async () => {
    fleet.lead();
    await fleet.host(1);
    await fleet.run('start', file('a.service'));
    const [destroyed, again] = await Promise.all([
      fleet.run('destroy', 'a'),
      eventually(async () => {
        if ((await fleet.api.get('/fleet/v2/units/a.service')).status !== 404) return false;
        return await fleet.run('start', file('a.service'));
      }),
    ]);
    expect(destroyed).toEqual({ status: 0, stdout: 'Destroyed a.service\n', stderr: '' });
    expect(again).toEqual({ status: 0, stdout: `Unit a.service launched on ${ON}\n`, stderr: '' });
    expect(fleet.deeds).toEqual(['start a.service', 'stop a.service', 'start a.service']);
  });
});

describe('fleetctl start when it loses the server', () => {
  async function placedAfter(running: { ended: Promise<unknown> }): Promise<unknown> {
    fleet.lead();
    await fleet.host(1);
    return await running.ended;
  }

  it('says so once, and goes on when it is back', async () => {
    const { api } = fleet;
    const running = fleet.begin(['start', file('a.service')]);
    await eventually(async () => (await api.get('/fleet/v2/units/a.service')).status === 200);
    await api.api.close();
    await eventually(() => expect(running.printed.stderr).toContain('Lost touch: '));
    await api.start();
    const outcome = await placedAfter(running);
    expect(outcome).toMatchObject({ status: 0, stdout: `Unit a.service launched on ${ON}\n` });
    expect(running.printed.stderr.match(/Lost touch|In touch again/g)).toEqual([
      'Lost touch',
      'In touch again',
    ]);
  });

  it('looks again when events are missing', async () => {
    const faulty = new FaultyKv(fleet.store, systemClock);
    const other = await otherApi(faulty);
    const env = { FLEETCTL_ENDPOINT: `unix://${other.path}` };
    const running = fleet.begin(['start', file('a.service')], { env });
    await eventually(() => faulty.calls.watch > 0);
    faulty.faults.fails = undefined;
    faulty.cutWatches();
    expect(await placedAfter(running)).toMatchObject({ status: 0, stderr: '' });
    await other.stop();
  });

  async function otherApi(kv: Kv): Promise<ApiFixture> {
    const other = new ApiFixture(kv);
    return await other.start();
  }
});
