import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CarriedOutFile } from '../../../agent/carried-out.ts';
import type { Disk } from '../../../agent/disk.ts';
import { IdentityFile } from '../../../agent/identity.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import {
  machineCapacity,
  primaryAddress,
  readMachineId,
  standaloneMachineId,
} from '../../../agent/machine-facts.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import type { CarriedOut } from '../../../src/reconcile/host-picture.ts';
import { silentLog } from '../../../src/runtime/log.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fleet-facts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const record: CarriedOut = {
  name: 'a.service' as UnitName,
  hash: 'h',
  sha256: 's',
  generation: 3,
  desiredState: 'launched',
  enabled: true,
  started: 3,
  job: 'failed',
  result: 'exit-code',
};

/** The disk here, and whether it takes no more. */
function fillableDisk(): Disk & { isFull: boolean } {
  return {
    ...localDisk,
    isFull: false,
    write(...args) {
      if (this.isFull) return Promise.reject(new Error('no space left'));
      return localDisk.write(...args);
    },
  };
}

describe('CarriedOutFile', () => {
  const path = (): string => join(dir, 'runtime', 'carried-out.json');

  it('CarriedOutFile gives back what was set before a save', async () => {
    const file = await CarriedOutFile.open(path(), 'boot');
    file.set(record);
    await Promise.all([file.save(), file.save()]);
    const again = await CarriedOutFile.open(path(), 'boot');
    expect([...again.records.values()]).toEqual([record]);
    again.set({ ...record, ending: true });
    await again.save();
    const ending = await CarriedOutFile.open(path(), 'boot');
    expect([...ending.records.values()]).toEqual([{ ...record, ending: true }]);
    again.delete(record.name);
    await again.save();
    expect(existsSync(path())).toBe(false);
    expect((await CarriedOutFile.open(path(), 'boot')).records.size).toBe(0);
  });

  it('CarriedOutFile tells the next one what a leave was to stop, also where the disk is full', async () => {
    const disk = fillableDisk();
    const file = await CarriedOutFile.open(path(), 'boot', disk);
    const loaded = { ...record, name: 'b.service' as UnitName, desiredState: 'loaded' } as const;
    file.set({ ...record, desiredState: 'launched' });
    file.set(loaded);
    await file.save();
    disk.isFull = true;
    await Promise.all([file.beginLeave(), file.beginLeave()]);
    file.set({ ...record, desiredState: 'loaded', stopped: true });
    await expect(file.save()).rejects.toThrow('no space left');
    const next = await CarriedOutFile.open(path(), 'boot');
    expect([...next.records.values()]).toEqual([
      { ...record, desiredState: 'launched', ending: true },
      loaded,
    ]);
    next.set(record);
    await next.save();
    const third = await CarriedOutFile.open(path(), 'boot');
    expect(third.records.get(record.name)).toEqual(record);
    expect(readdirSync(dirname(path()))).toEqual(['carried-out.json', 'carried-out.json.stops']);
    disk.isFull = false;
    await third.beginLeave();
    third.delete(record.name);
    await third.save(); // in a leave too, what could be noted counts
    expect([...(await CarriedOutFile.open(path(), 'boot')).records.keys()]).toEqual([loaded.name]);
    third.delete(loaded.name);
    await third.save();
    expect(readdirSync(dirname(path()))).toEqual(['carried-out.json.stops']);
  });

  it('CarriedOutFile tells the next one of stops also where a full disk takes no record, until one is written', async () => {
    const disk = fillableDisk();
    const names = Array.from({ length: 20 }, (_, i) => `n${i}.service` as UnitName);
    const launched = { ...record, desiredState: 'launched' } as const;
    const file = await CarriedOutFile.open(path(), 'boot', disk);
    for (const name of names) file.set({ ...launched, name });
    await file.save();
    disk.isFull = true;
    expect(await file.markStops(names.slice(0, 2))).toBe(true);
    expect(await file.markStops(names.slice(1))).toBe(false); // 16 are all that it can take
    const ending = async (): Promise<readonly string[]> => {
      const { records } = await CarriedOutFile.open(path(), 'boot', disk);
      return [...records.values()].filter((each) => each.ending === true).map(({ name }) => name);
    };
    expect(await ending()).toEqual(names.slice(0, 16));
    disk.isFull = false;
    file.set({ ...launched, name: names[0]! });
    await file.save();
    expect(await ending()).toEqual([]);
    expect(await file.markStops(names)).toBe(false);
    expect(await ending()).toEqual(names.slice(0, 16));
  });

  it('CarriedOutFile counts a file of another boot, or a damaged one, as none, and says so', async () => {
    const file = await CarriedOutFile.open(path(), 'boot');
    file.set(record);
    await file.save();
    const other = await CarriedOutFile.open(path(), 'next boot');
    expect([other.records.size, other.problem]).toEqual([0, 'it is of another boot']);
    writeFileSync(path(), readFileSync(path(), 'utf8').slice(0, 40));
    const damaged = await CarriedOutFile.open(path(), 'boot');
    expect([damaged.records.size, damaged.problem]).toEqual([0, 'it cannot be understood']);
  });
});

describe('IdentityFile', () => {
  it('IdentityFile is the same within a boot and another in the next', async () => {
    const path = join(dir, 'identity.json');
    const first = await IdentityFile.open(path, { bootId: 'boot', machineId: 'm' });
    await first.keepLease('77', true);
    expect((await IdentityFile.open(path, { bootId: 'boot', machineId: 'm' })).identity).toEqual({
      ...first.identity,
      lease: '77',
    });
    const { identity } = await IdentityFile.open(path, { bootId: 'next boot', machineId: 'm' });
    expect(identity.incarnation).not.toBe(first.identity.incarnation);
    expect(identity.nonce).not.toBe(first.identity.nonce);
    expect(identity.lease).toBeUndefined();
  });

  it('IdentityFile leaves the lease of another machine-id alone', async () => {
    const path = join(dir, 'identity.json');
    const first = await IdentityFile.open(path, { bootId: 'boot', machineId: 'm' });
    await first.keepLease('77', true);
    const { identity } = await IdentityFile.open(path, { bootId: 'boot', machineId: 'other' });
    expect(identity.nonce).not.toBe(first.identity.nonce);
    expect(identity.lease).toBeUndefined();
  });
});

describe('machine facts', () => {
  it('readMachineId takes what machine-id(5) describes, and invents none', async () => {
    const path = join(dir, 'machine-id');
    await expect(readMachineId(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    writeFileSync(path, '');
    await expect(readMachineId(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    writeFileSync(path, `${'0a'.repeat(16)}\n`);
    expect(await readMachineId(path)).toBe('0a'.repeat(16));
  });

  it('standaloneMachineId makes one where there is none, and keeps it', async () => {
    const missing = join(dir, 'none');
    const state = join(dir, 'state');
    const made = await standaloneMachineId(state, silentLog, missing);
    expect(made).toMatch(/^[0-9a-f]{32}$/);
    expect(await standaloneMachineId(state, silentLog, missing)).toBe(made);
  });

  it('primaryAddress and machineCapacity answer something of this machine', async () => {
    expect(await primaryAddress()).toMatch(/^[\d.:a-f]+$/);
    expect(machineCapacity().memoryBytes).toBeGreaterThan(0);
  });
});
