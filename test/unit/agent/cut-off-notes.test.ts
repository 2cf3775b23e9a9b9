// What fleetd reads out of the notes of systemd's timers, and how long it keeps them.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CutOffNotes } from '../../../agent/cut-off-notes.ts';
import { localDisk } from '../../../agent/local-disk.ts';
import type { UnitName } from '../../../src/model/unit.ts';

const a = 'a.service' as UnitName;
const shown = (name: string, state: string, job = ''): string =>
  `Id=${name}\nActiveState=${state}\n${job}`;

let dir: string;
let notes: CutOffNotes;
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'fleet-notes-')), 'cut-off');
  notes = new CutOffNotes(localDisk, dir);
  mkdirSync(dir);
});
afterEach(() => rmSync(join(dir, '..'), { recursive: true }));

const note = (name: string, ...blocks: readonly string[]): void =>
  noteOf(name, ['a.service', 'b.service'], blocks);
const noteOf = (name: string, permits: readonly string[], blocks: readonly string[]): void =>
  writeFileSync(
    join(dir, name),
    `${permits.map((unit) => `${unit}\n`).join('')}\n${blocks.join('\n')}`,
  );

describe('CutOffNotes', () => {
  it.for([
    [[shown('a.service', 'inactive')], ['a.service']],
    [[shown('a.service', 'failed')], ['a.service']],
    [[shown('a.service', 'active')], []],
    [[shown('a.service', 'deactivating')], []],
    [[shown('a.service', 'inactive', 'Job=77\n')], []], // its start waits behind others
    [[shown('b.service', 'active'), shown('a.service', 'inactive')], ['a.service']],
    [[''], []], // names nobody
  ] as const)('%j: down is %j', async ([blocks, expected]) => {
    note('one', ...blocks);
    expect([...(await notes.down())]).toEqual(expected);
  });

  it('a unit that one of several timers found up was up', async () => {
    note('first', shown('a.service', 'active'), shown('b.service', 'inactive'));
    note('second', shown('a.service', 'inactive'), shown('b.service', 'inactive'));
    expect([...(await notes.down())]).toEqual(['b.service']);
  });

  it.for([
    [[], []],
    [['b.service'], []],
    [['a.service'], ['a.service']],
  ] as const)(
    'what a timer finds down, with permits for %j, has ended by itself: %j; another timer took the permits of the rest',
    async ([permits, expected]) => {
      noteOf('one', permits, [shown('a.service', 'inactive')]);
      expect([...(await notes.down())]).toEqual(expected);
    },
  );

  it('stays until its timer has taken the permits, or must have; and nothing is there where none was written', async () => {
    rmSync(dir, { recursive: true });
    expect((await notes.down()).size).toBe(0);
    note('one', shown('a.service', 'active'));
    const clearAt = async (ms: number, ...permitted: readonly string[]): Promise<string[]> => {
      await notes.down();
      await notes.clear(ms, new Set(permitted));
      return readdirSync(dir);
    };
    expect(await clearAt(0, 'a.service')).toEqual(['one']);
    expect(await clearAt(1_000, 'a.service')).toEqual(['one']);
    expect(await clearAt(6_000, 'a.service')).toEqual([]);
    note('two', shown('a.service', 'active'));
    expect(await clearAt(7_000)).toEqual([]);
    noteOf('three.part', [], []); // its timer is writing it, or could not go on
    expect(await clearAt(8_000)).toEqual(['three.part']);
    expect(await clearAt(14_000)).toEqual([]);
  });

  it('is written by its command, which alone fails where it cannot be', () => {
    const permits = join(dir, '..', 'permit');
    const [program = '', ...args] = notes.command('one', ['/bin/echo', '-n'], [a], permits);
    const written = (): string => {
      execFileSync(program, args, { stdio: 'ignore' });
      return readFileSync(join(dir, 'one'), 'utf8');
    };
    const show = 'show --property=Id,ActiveState,Job -- a.service';
    expect(written()).toBe(`\n${show}`);
    mkdirSync(permits);
    for (const name of ['a.service', '.b.service']) writeFileSync(join(permits, name), '');
    expect(written()).toBe(`a.service\n\n${show}`);
    rmSync(dir, { recursive: true });
    expect(() => execFileSync(program, args, { stdio: 'ignore' })).toThrow('Command failed');
    mkdirSync(dir);
  });
});
