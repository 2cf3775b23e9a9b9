// What an alarm's first command notes of its units, carried out by a real systemd, read back by fleetd.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CutOffNotes } from '../../agent/cut-off-notes.ts';
import { openSystemd } from '../../agent/dbus/systemd.ts';
import { localDisk } from '../../agent/local-disk.ts';
import { Permits } from '../../agent/permits.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { eventually } from '../support/eventually.ts';
import { privateSystemdMissing, startPrivateSystemd } from '../support/private-systemd.ts';
import type { PrivateSystemd } from '../support/private-systemd.ts';

const missing = privateSystemdMissing();
if (missing !== undefined) console.log(`skipped, alarm notes: ${missing}`);

let host: PrivateSystemd;
beforeAll(async () => {
  if (missing === undefined) host = await startPrivateSystemd();
});
afterAll(async () => {
  await host?.stop();
});

describe.skipIf(missing !== undefined)('the note of an alarm', () => {
  // systemd 252 reads some characters of a transient service otherwise than it has written them down.
  it.for([
    ['in one go', false],
    ['with a reload of systemd in between', true],
  ] as const)(
    'says which units were down, whatever they are called: %s',
    async ([, isReloaded]) => {
      const signal = AbortSignal.timeout(20_000);
      const base = `${host.dir}/notes-${isReloaded}`;
      for (const part of ['cut-off', 'units']) mkdirSync(`${base}/${part}`, { recursive: true });
      const permits = new Permits(localDisk, `${base}/permit`);
      const notes = new CutOffNotes(localDisk, `${base}/cut-off`);
      const names = [
        'up',
        String.raw`a\x2db@i`,
        String.raw`x@\x24HOME`,
        String.raw`p:q@c\x20d`,
      ].map((name) => `n${Number(isReloaded)}-${name}.service` as UnitName);
      const [up, ...down] = names as [UnitName, ...UnitName[]];
      const paths = names.map((name) => `${base}/units/${name}`);
      for (const path of paths) writeFileSync(path, '[Service]\nExecStart=/bin/sleep infinity\n');
      const systemd = openSystemd({
        address: host.privateAddress,
        clock: systemClock,
      });
      try {
        await systemd.link(paths, signal);
        await systemd.reload(signal);
        for (const name of names) await permits.grant(name, () => true);
        expect(await (await systemd.start(up, signal)).ended).toBe('done');
        const alarm = `notes-${isReloaded}`;
        const commands = [
          notes.command(alarm, ['/bin/systemctl', '--user'], names, permits.directory),
          ['/bin/rm', '-f', '--', ...names.flatMap((name) => permits.filesOf(name))],
        ];
        await systemd.setAlarms(
          [{ name: alarm, atMs: systemClock.now() + 1_000, commands }],
          signal,
        );
        if (isReloaded) await systemd.reload(signal);
        await eventually(async () => (await systemd.alarms(alarm, signal)).length === 0);
        await eventually(async () => !(await systemd.isRinging(alarm, signal)));
        expect(readdirSync(`${base}/cut-off`)).toEqual([alarm]);
        expect([...(await notes.down())].sort()).toEqual([...down].sort());
        expect(readdirSync(permits.directory)).toEqual([]);
      } finally {
        await systemd.close();
      }
    },
  );
});
