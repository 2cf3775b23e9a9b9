import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openUnitDir } from '../../../agent/unit-dir.ts';
import type { UnitDir } from '../../../agent/unit-dir.ts';
import type { UnitName } from '../../../src/model/unit.ts';

const unit = (name: string): UnitName => name as UnitName;
const signal = new AbortController().signal;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('openUnitDir', () => {
  let root: string;
  let units: UnitDir;
  const open = (): Promise<UnitDir> =>
    openUnitDir({
      directory: join(root, 'units'),
      parseUnitName: (text) => (text.endsWith('.service') ? unit(text) : undefined),
    });

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'unit-dir-'));
    units = await open();
  });
  afterEach(() => rm(root, { recursive: true }));

  it('writes, replaces, lists and removes files', async () => {
    await units.write([{ name: unit('a.service'), text: 'old' }], signal);
    const files = Array.from({ length: 40 }, (_, i) => ({
      name: unit(`${i}.service`),
      text: `text ${i}`,
    }));
    await units.write([...files, { name: unit('a.service'), text: 'new' }], signal);
    const sums = await units.list(signal);
    expect(sums.size).toBe(41);
    expect(sums.get(unit('a.service'))).toBe(sha256('new'));
    expect((await units.read(unit('a.service'), signal))?.toString()).toBe('new');
    await units.remove([unit('a.service'), unit('never.service')], signal);
    expect(await units.read(unit('a.service'), signal)).toBeUndefined();
    expect(await readdir(join(root, 'units'))).toHaveLength(40);
  });

  it('replaces a link instead of writing through it', async () => {
    const outside = join(root, 'outside');
    await writeFile(outside, 'precious');
    await symlink(outside, units.path(unit('a.service')));
    await units.write([{ name: unit('a.service'), text: 'ours' }], signal);
    expect(await readFile(outside, 'utf8')).toBe('precious');
    expect((await units.read(unit('a.service'), signal))?.toString()).toBe('ours');
  });

  it('neither reads nor lists what a link points to', async () => {
    await writeFile(join(root, 'outside'), 'secret');
    await symlink(join(root, 'outside'), units.path(unit('a.service')));
    expect(await units.read(unit('a.service'), signal)).toBeUndefined();
    expect(await units.list(signal)).toEqual(new Map());
  });

  it('leaves foreign files alone and clears what a crash left half written', async () => {
    await writeFile(join(root, 'units', 'README'), '');
    await writeFile(join(root, 'units', '.new-1'), '');
    units = await open();
    expect(await readdir(join(root, 'units'))).toEqual(['README']);
    expect(await units.list(signal)).toEqual(new Map());
  });

  it.for(['../a.service', '.hidden', ''])('refuses the name %j', (name) => {
    expect(() => units.path(unit(name))).toThrow(
      expect.objectContaining({ code: 'UNIT_NAME_INVALID' }),
    );
  });
});
