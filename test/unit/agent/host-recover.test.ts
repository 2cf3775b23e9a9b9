// Stops that a fleetd before this one has noted, and what is left of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CarriedOutFile } from '../../../agent/carried-out.ts';
import { settleStops, type RecoverDeps } from '../../../agent/host-recover.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import type { CarriedOut } from '../../../src/reconcile/host-picture.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';

const never = new AbortController().signal;
const nameOf = (label: string): UnitName => `${label}.service` as UnitName;
const [up, beingStopped, down] = ['up', 'being-stopped', 'down'].map(nameOf) as [
  UnitName,
  UnitName,
  UnitName,
];

let dir: string;
let systemd: FakeSystemd;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleet-recover-'));
  systemd = new FakeSystemd(() => '[Service]\n# hang-stop\n');
  await systemd.link([up, beingStopped, down]);
  await systemd.reload();
  for (const name of [up, beingStopped]) await systemd.start(name);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function launched(name: UnitName): CarriedOut {
  const version = { hash: 'h', sha256: 's', generation: 3, started: 3 };
  return { name, ...version, desiredState: 'launched', enabled: false, ending: true };
}

describe('settleStops', () => {
  it('takes back the note of a stop that was never asked, on the disk too, and no other', async () => {
    const path = join(dir, 'carried-out.json');
    const carriedOut = await CarriedOutFile.open(path, 'boot');
    for (const name of [up, beingStopped, down]) carriedOut.set(launched(name));
    await carriedOut.save();
    await systemd.stop(beingStopped);
    const deps = { systemd, carriedOut, log: silentLog } as unknown as RecoverDeps; // the rest is of other tests
    await settleStops(deps, never);
    const { records } = await CarriedOutFile.open(path, 'boot');
    const ending = [...records.values()].filter((one) => one.ending === true);
    expect(ending.map(({ name }) => name)).toEqual([beingStopped, down]);
    const { ending: _ending, ...asBefore } = launched(up);
    expect(records.get(up)).toEqual(asBefore);
  });
});
