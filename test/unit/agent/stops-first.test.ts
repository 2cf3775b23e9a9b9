// Stops come before what costs a reload of systemd, and keep nothing of it up.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { Cluster, startHost } from '../../support/test-host.ts';

const forever = new AbortController().signal;
const textOf = (i: number): string => `[Service]\nExecStart=/bin/true ${i}\n`;

let dir: string;
let end: () => Promise<void>;
let cluster: Cluster;
let systemd: FakeSystemd;
const units = (count: number, first = 0): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`u${first + i}.service`, textOf(first + i)]),
  );

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleet-stops-'));
  const kv = openEmbeddedStore({ memory: true, clock: systemClock });
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  const host = await startHost({ kv, systemd, dir });
  end = async () => {
    await host.kill();
    await kv.close();
  };
});
afterEach(async () => {
  await end();
  rmSync(dir, { recursive: true, force: true });
});

it('a unit starts while others are asked to stop one after the other', async () => {
  for (let first = 0; first < 300; first += 20) await cluster.assign(units(20, first));
  await eventually(() => systemd.count('start ') === 300, { timeoutMs: 10_000 });
  let stopped = 0;
  let stoppedBefore: number | undefined;
  for (let i = 0; i < 300; i += 1) {
    if (i === 20) await cluster.assign({ 'new.service': textOf(1_000) });
    await cluster.assign(units(1, i), 'loaded', 2);
    stopped += 1;
    if (systemd.count('start new') === 1) stoppedBefore ??= stopped;
    await systemClock.sleep(5, forever);
  }
  expect(stoppedBefore).toBeLessThan(150);
});

it('what is to stop is stopped before more is waited for', async () => {
  await cluster.assign(units(40));
  await eventually(() => systemd.count('start ') === 40, { timeoutMs: 5_000 });
  systemd.calls.length = 0;
  for (let i = 0; i < 40; i += 1) {
    await cluster.assign(units(1, i), 'loaded', 2);
    await systemClock.sleep(3, forever);
  }
  expect(systemd.count('stop ')).toBeGreaterThan(5); // of a row of changes that has not paused
});
