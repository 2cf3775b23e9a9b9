import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../../../agent/disk.ts';
import { KeptDesired, type Desired } from '../../../agent/kept-desired.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import type { Assignment } from '../../../src/model/unit.ts';
import type { MachineId } from '../../../src/model/machine.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import { sha256Of } from '../../../src/unitfile/hash.ts';

const machine = 'a'.repeat(32) as MachineId;
const text = '[Service]\nExecStart=/bin/true\n';
const assignment: Assignment = {
  name: 'a.service' as Assignment['name'],
  hash: 'b'.repeat(40),
  sha256: sha256Of(text),
  desiredState: 'launched',
  generation: 3,
  options: [{ section: 'X-Fleet', name: 'BootWithoutStore', value: 'yes' }],
  machine,
  release: false,
};
const { machine: _machine, ...target } = assignment;
const desired: Desired = {
  assignments: [assignment],
  globals: [{ ...target, name: 'g.service' as Assignment['name'] }],
  overrides: new Map([
    ['hidden', undefined],
    ['role', 'web'],
  ]),
};

describe('KeptDesired', () => {
  let dir: string;
  let disk: Disk;
  let writes: string[];
  const directory = (): string => join(dir, 'desired');
  const open = (of: { machine?: string; cluster?: string } = {}): Promise<KeptDesired> =>
    KeptDesired.open({
      disk,
      directory: directory(),
      machine,
      cluster: '/c/',
      log: silentLog,
      ...of,
    });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fleet-kept-'));
    writes = [];
    disk = {
      ...localDisk,
      async create(path, contents) {
        writes.push(path);
        await localDisk.create(path, contents);
      },
    };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('KeptDesired gives back what was written, also to the next fleetd', async () => {
    const kept = await open();
    await kept.addText(sha256Of(text), text);
    await kept.write(desired, new Set([sha256Of(text)]));
    const next = await open();
    expect(next.read()).toEqual(desired);
    expect(await next.text(sha256Of(text))).toBe(text);
    expect(await next.text('c'.repeat(64))).toBeUndefined();
  });

  it('KeptDesired writes nothing that is there already', async () => {
    const kept = await open();
    await kept.addText(sha256Of(text), text);
    await kept.write(desired, new Set([sha256Of(text)]));
    expect(writes).toHaveLength(2);
    const next = await open();
    await next.addText(sha256Of(text), text);
    await next.write(desired, new Set([sha256Of(text)]));
    expect(writes).toHaveLength(2);
  });

  it('KeptDesired drops unit files that no boot needs, and what a crash has left', async () => {
    const kept = await open();
    await kept.addText(sha256Of(text), text);
    await kept.write(desired, new Set());
    expect(readdirSync(directory())).toEqual(['units.json']);
    writeFileSync(join(directory(), '.new-7'), 'half');
    await open();
    expect(readdirSync(directory())).toEqual(['units.json']);
  });

  it('KeptDesired counts for one machine in one cluster', async () => {
    await (await open()).write(desired, new Set());
    const nothing: Desired = { assignments: [], globals: [], overrides: new Map() };
    expect((await open({ machine: 'd'.repeat(32) })).read()).toEqual(nothing);
    expect((await open({ cluster: '/other/' })).read()).toEqual(nothing);
  });

  it('KeptDesired takes a list or a unit file that is damaged for none', async () => {
    const kept = await open();
    await kept.addText(sha256Of(text), text);
    await kept.write(desired, new Set([sha256Of(text)]));
    writeFileSync(join(directory(), sha256Of(text)), `${text}#`);
    const list = join(directory(), 'units.json');
    writeFileSync(list, readFileSync(list, 'utf8').slice(0, 100));
    const next = await open();
    expect(next.read().assignments).toEqual([]);
    expect(await next.text(sha256Of(text))).toBeUndefined();
  });

  it('KeptDesired passes over a record that it cannot read', async () => {
    await (await open()).write(desired, new Set());
    const list = join(directory(), 'units.json');
    const damaged = readFileSync(list, 'utf8').replace(
      String.raw`{\"v\":1,\"name\":\"a.service\"`,
      String.raw`{\"v\":9,\"name\":\"a.service\"`,
    );
    writeFileSync(list, damaged);
    const found = (await open()).read();
    expect([found.assignments.length, found.globals.length]).toEqual([0, 1]);
  });
});
