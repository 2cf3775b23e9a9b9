// An orphan on a real host's loop: adopted without being touched, ended when a person says so.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fileOfText } from '../../../src/api/unit-file.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import { encode } from '../../../src/registry/codec.ts';
import { adoptUnit, destroyAll } from '../../../src/registry/orphans.ts';
import { findOrphans } from '../../../src/registry/read-orphans.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv } from '../../../src/store/kv.ts';
import { machineRecord } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeSystemd } from '../../support/fake-systemd.ts';
import { Cluster, keys, MACHINE, startHost, type TestHost } from '../../support/test-host.ts';

const forever = new AbortController().signal;
const NAME = 'a.service' as UnitName;
const TEXT = '# with a comment\n[Service]\nExecStart=/bin/true\n[X-Fleet]\nConflicts=b.service\n';

let kv: Kv;
let registry: Registry;
let systemd: FakeSystemd;
let cluster: Cluster;
let dir: string;
let host: TestHost;

const quickly = <T>(check: () => T | Promise<T>) =>
  eventually(check, { timeoutMs: 4000, everyMs: 5 });
const orphans = () => findOrphans(registry, NAME, forever);
const adopt = () =>
  adoptUnit(
    registry,
    { name: NAME, requestId: 'r', fileOf: (text) => fileOfText(NAME, text) },
    forever,
  );
/** Every call that changes something. */
const done = (): readonly number[] =>
  ['link', 'reload', 'start', 'stop', 'unlink'].map((verb) => systemd.count(verb));

beforeEach(async () => {
  kv = openEmbeddedStore({ memory: true, clock: systemClock });
  registry = {
    kv,
    keys,
    unreadable: (_kv, error) => {
      throw error;
    },
  };
  systemd = new FakeSystemd();
  cluster = new Cluster(kv);
  dir = mkdtempSync(join(tmpdir(), 'fleet-orphans-'));
  const machine = { ...machineRecord('m1'), id: MACHINE, incarnation: 'boot-1' };
  await cluster.put(keys.machine(MACHINE), encode('machine', machine));
  host = await startHost({ kv, systemd, dir });
});
afterEach(async () => {
  await host.kill();
  await kv.close();
  rmSync(dir, { recursive: true, force: true });
});

it.for(['launched', 'loaded'] as const)(
  'a %s orphan is adopted as it runs: its host does nothing, and reports it as the unit',
  async (desiredState) => {
    await cluster.assign({ [NAME]: TEXT }, desiredState, 7);
    await quickly(async () => (await cluster.row(NAME))?.loadState === 'loaded');
    if (desiredState === 'launched')
      await quickly(async () => (await cluster.row(NAME))?.job === 'done');
    const before = done();
    const invocation = systemd.units.get(NAME)?.invocation;
    await cluster.lose(NAME);
    await quickly(async () => (await orphans()).length === 1);
    expect(await cluster.row(NAME)).toBeUndefined();

    const { unit, machine } = await adopt();
    expect({ ...unit, machine }).toMatchObject({ desiredState, generation: 7, machine: MACHINE });
    await quickly(async () => (await cluster.row(NAME))?.generation === 7);
    await quickly(async () => (await orphans()).length === 0);
    expect(done()).toEqual(before);
    expect(systemd.units.get(NAME)?.invocation).toBe(invocation);
    // It is a unit like any other from now on.
    await destroyAll(registry, NAME, forever);
    await quickly(async () => !(await cluster.keys()).some((key) => key.includes('schedule')));
    expect(systemd.active()).toEqual([]);
  },
);

it('an orphan that is destroyed is stopped and taken away, and nothing is left of it', async () => {
  await cluster.assign({ [NAME]: TEXT });
  await quickly(async () => (await cluster.row(NAME))?.job === 'done');
  await cluster.lose(NAME);
  await quickly(async () => (await orphans()).length === 1);
  await destroyAll(registry, NAME, forever);
  await quickly(async () => {
    const left = (await cluster.keys()).filter((key) => key.includes(NAME));
    return left.length === 0;
  });
  expect(systemd.active()).toEqual([]);
  expect([...systemd.linked.keys()]).toEqual([]);
});
