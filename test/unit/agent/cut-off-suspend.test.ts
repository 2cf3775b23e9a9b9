// Timers of OnPartition=stop around a suspend: their clock stands still in it, and that of the lease does not.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import { systemClock, type Clock } from '../../../src/runtime/clock.ts';
import { CutOffFixture, quickly } from '../../support/cut-off-fixture.ts';

const TTL_MS = 30_000;
const stops = (mark = ''): string =>
  `${mark}\n[Service]\nExecStart=/bin/true\n[X-Fleet]\nOnPartition=stop\n`;
const plain = '[Service]\nExecStart=/bin/true\n';
const never = new AbortController().signal;

let fixture: CutOffFixture;
let sleptMs: number;
const clock: Clock = { ...systemClock, bootMs: () => systemClock.bootMs() + sleptMs };
beforeEach(() => {
  sleptMs = 0;
  fixture = new CutOffFixture(TTL_MS);
});
afterEach(() => fixture.end());

/** Starts a host with one such unit, whose alarms are set. */
async function startOne(): Promise<CutOffFixture> {
  fixture.lease.renew();
  await fixture.cluster.assign({ 'a.service': stops() });
  await fixture.start('boot-1', clock);
  await fixture.steady('a.service');
  expect(fixture.alarms()).toEqual(['kill a.service 1 s before', 'stop a.service 10 s before']);
  return fixture;
}

describe('Host behind a suspend', () => {
  it('sets them anew after a suspend, in which their clock stood still', async () => {
    const { systemd, lease } = await startOne();
    sleptMs = 5_000;
    await quickly(
      () => fixture.alarms().join() === 'kill a.service 6 s before,stop a.service 15 s before',
    );
    const names = [...systemd.alarmsSet.keys()];
    await systemClock.sleep(1_200, never);
    expect([...systemd.alarmsSet.keys()]).toEqual(names);
    const isNew = (): boolean => !names.some((name) => systemd.alarmsSet.has(name));
    const areNew = async (): Promise<void> => {
      await quickly(isNew);
      names.splice(0, names.length, ...systemd.alarmsSet.keys());
    };
    lease.renew();
    await areNew();
    const wokeAtMs = systemClock.now();
    sleptMs = TTL_MS - 1_800;
    await areNew();
    for (const { name, atMs } of systemd.alarmsSet.values())
      if (name.endsWith('-kill'))
        expect(atMs).toBeGreaterThan(wokeAtMs + 950); // the stop rings before it
      else expect(atMs).toBeLessThan(wokeAtMs);
    sleptMs = TTL_MS; // it is too late to stop in time
    await systemClock.sleep(1_200, never);
    expect([...systemd.alarmsSet.keys()]).toEqual(names);
  });

  it('sets them anew also where systemd did not answer at first', async () => {
    const { systemd } = await startOne();
    const setAlarms = systemd.setAlarms.bind(systemd);
    let refused = 0;
    systemd.setAlarms = async (all) => {
      if (refused === 0) {
        refused += 1;
        throw new FleetError('DBUS_CLOSED', 'the connection to D-Bus was lost');
      }
      await setAlarms(all);
    };
    sleptMs = 5_000;
    await quickly(() => refused === 1);
    await quickly(
      () => fixture.alarms().join() === 'kill a.service 6 s before,stop a.service 15 s before',
    );
  });

  it('starts a version without the option only when the alarm of the one before it is gone, where that is late for a suspend', async () => {
    const { systemd, cluster, lease } = fixture;
    lease.renew();
    await cluster.assign({ 'a.service': stops(), 'b.service': stops('# b') });
    await fixture.start('boot-1', clock);
    await fixture.steady('a.service');
    await fixture.steady('b.service');
    sleptMs = TTL_MS; // the deadline has passed, and the alarms have not rung
    await cluster.assign({ 'a.service': plain });
    await quickly(() => !systemd.active().includes('a.service'));
    await systemClock.sleep(300, never);
    expect(systemd.active()).toEqual(['b.service']);
    lease.renew(2 * TTL_MS);
    await quickly(() => systemd.active().includes('a.service'));
    expect(fixture.alarms().join()).not.toContain('a.service');
  });
});
