// Fencing tokens as the processes of a real systemd see them.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSystemd, type DbusSystemd } from '../../agent/dbus/systemd.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import type { Kv } from '../../src/store/kv.ts';
import { eventually } from '../support/eventually.ts';
import {
  privateSystemdMissing,
  startPrivateSystemd,
  type PrivateSystemd,
} from '../support/private-systemd.ts';
import { Cluster, startHost } from '../support/test-host.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.warn(`skipped: ${missing}`);

describe.skipIf(missing !== undefined)('fencing on a real systemd', () => {
  let systemd: PrivateSystemd;
  let port: DbusSystemd;
  let kv: Kv;

  beforeAll(async () => {
    systemd = await startPrivateSystemd();
    port = openSystemd({ address: systemd.privateAddress, clock: systemClock });
    kv = openEmbeddedStore({ memory: true, clock: systemClock });
  });
  afterAll(async () => {
    await port.close();
    await kv.close();
    await systemd.stop();
  });

  it('each start’s process has a greater FLEET_GENERATION, whatever the name of the unit', async () => {
    const cluster = new Cluster(kv);
    const running = await startHost({
      kv,
      systemd: port,
      dir: join(systemd.dir, 'host'),
      managerDirectory: join(systemd.dir, 'run/systemd/user'),
    });
    const seen = join(systemd.dir, 'seen');
    const text = [
      '[Service]',
      // The name as an argument: in the script systemd and the shell would take its backslashes for their own.
      String.raw`ExecStart=/bin/sh -c 'printf "%%s %%s\n" "$0" "$FLEET_GENERATION" >> ${seen}; exec sleep infinity' %n`,
      'Restart=always',
      'RestartSec=50ms',
      '[X-Fleet]',
      'Fence=yes',
      '',
    ].join('\n');
    const names = ['plain.service', String.raw`a\x2db.service`, 'inst@x:y.service'];
    const tokens = (name: string): number[] =>
      readFileSync(seen, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith(`${name} `))
        .map((line) => Number(line.slice(name.length + 1)));
    for (const [round, generation] of [
      [1, 1],
      [2, 3],
    ] as const) {
      const units = Object.fromEntries(names.map((name) => [name, text]));
      await cluster.assign(units, 'launched', generation);
      for (const name of names) await eventually(() => tokens(name).length === round);
      await cluster.assign(units, 'loaded', generation + 1);
      for (const name of names)
        await eventually(
          () => systemd.systemctl('show', '-P', 'ActiveState', name).trim() === 'inactive',
        );
    }
    for (const name of names) {
      const [first = 0, second = 0] = tokens(name);
      expect(first).toBeGreaterThan(1);
      expect(second).toBeGreaterThan(first);
    }
    // systemd's own restart is the same start: the same token.
    await cluster.assign({ 'plain.service': text }, 'launched', 5);
    await eventually(() => tokens('plain.service').length === 3);
    systemd.systemctl('kill', '-s', 'KILL', 'plain.service');
    await eventually(() => tokens('plain.service').length === 4);
    const [third, fourth] = tokens('plain.service').slice(2);
    expect(fourth).toBe(third);
    running.host.leave();
    await running.host.unitsGone(AbortSignal.timeout(30_000));
    await running.kill();
  });

  it('a unit with OnPartition=stop starts by its permit only, whatever its name', async () => {
    const dir = join(systemd.dir, 'host-2');
    const store = openEmbeddedStore({ memory: true, clock: systemClock });
    const running = await startHost({
      kv: store,
      systemd: port,
      dir,
      managerDirectory: join(systemd.dir, 'run/systemd/user'),
    });
    const name = String.raw`on\x2dcut@x.service`;
    const text = '[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nOnPartition=stop\n';
    const state = (): string => systemd.systemctl('show', '-P', 'ActiveState', name).trim();
    await new Cluster(store).assign({ [name]: text });
    await eventually(() => state() === 'active');
    systemd.systemctl('restart', name);
    expect(state()).toBe('active');
    rmSync(join(dir, 'permit', name));
    systemd.systemctl('stop', name);
    expect(() => systemd.systemctl('start', name)).toThrow('Assertion failed');
    const alarms = (): Promise<readonly string[]> =>
      port.alarms('fleet-cut-off-', AbortSignal.timeout(5_000));
    // Those of the renewal before are on their way out.
    await eventually(async () => (await alarms()).length === 2);
    running.host.leave();
    await running.host.unitsGone(AbortSignal.timeout(30_000));
    await eventually(async () => (await alarms()).length === 0);
    await running.kill();
    await store.close();
  });
});
