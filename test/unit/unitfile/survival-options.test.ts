import { describe, expect, it } from 'vitest';
import { NO_REQUIREMENTS, type Requirements } from '../../../src/model/requirements.ts';
import { checkFleetOptions, requirementsOf } from '../../../src/unitfile/fleet-options.ts';
import { optionsOf, storedOptionsOf } from '../../../src/unitfile/format.ts';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';
import { problemLine } from '../../../src/unitfile/problem.ts';

/** What an [X-Fleet] section (its lines count from 1) asks beyond nothing, or the problems as lines. */
function read(lines: string, name = 'me.service'): Partial<Requirements> | readonly string[] {
  const file = parseUnitFile(`[X-Fleet]\n${lines}`).ok!;
  const { ok, problems } = checkFleetOptions(checkUnitName(name), file);
  const stored = requirementsOf(checkUnitName(name), storedOptionsOf(optionsOf(file)));
  expect(stored.ok).toEqual(ok);
  if (ok === undefined)
    return problems.map(({ line = 0, ...problem }) => problemLine({ ...problem, line: line - 1 }));
  const { metadata, machineOf, conflicts, replaces, global, ...more } = ok;
  expect({ metadata, machineOf, conflicts, replaces }).toEqual({
    ...NO_REQUIREMENTS,
    global: undefined,
  });
  return { ...(global ? { global } : {}), ...more };
}

describe('the options of survival', () => {
  it.for([
    { lines: 'BootWithoutStore=no\nBootWithoutStore=Yes', expected: { bootWithoutStore: true } },
    { lines: 'BootWithoutStore=no', expected: { bootWithoutStore: false } },
    { lines: 'Global=1', expected: { global: true } },
    { lines: 'OnPartition=stop', expected: { fence: true, onPartition: 'stop' } },
    { lines: 'OnPartition=stop\nOnPartition=keep', expected: {} },
    { lines: 'Fence=yes', expected: { fence: true } },
    { lines: 'Fence=yes\nFence=no\nBootWithoutStore=yes', expected: { bootWithoutStore: true } },
    {
      lines: 'Fence=yes\nBootWithoutStore=yes\nGlobal=yes',
      expected: { fence: true, bootWithoutStore: true, global: true },
    },
  ])('reads $lines', ({ lines, expected }) => {
    expect(read(lines)).toEqual(expected);
  });

  it.for([
    {
      lines: 'BootWithoutStore=\nBootWithoutStore=yes no\nBootWithoutStore=if',
      expected: [
        'line 1, column 18: BootWithoutStore: it has no value',
        'line 2, column 22: BootWithoutStore: it takes one value',
        "line 3, column 18: BootWithoutStore: 'if' is no boolean",
      ],
    },
    {
      lines: 'Fence=yes\nBootWithoutStore=yes',
      expected: [
        "line 2, column 1: 'BootWithoutStore' cannot be combined with 'Fence' on a unit that several machines may run",
      ],
    },
    {
      lines: 'OnPartition=Stop\nOnPartition=stop keep',
      expected: [
        "line 1, column 13: OnPartition: 'Stop' is neither 'keep' nor 'stop'",
        'line 2, column 18: OnPartition: it takes one value',
      ],
    },
    {
      lines: 'OnPartition=stop\nFence=no\nBootWithoutStore=yes',
      expected: [
        "line 2, column 1: 'Fence=no' cannot be combined with 'OnPartition=stop'",
        "line 3, column 1: 'BootWithoutStore=yes' cannot be combined with 'OnPartition=stop'",
      ],
    },
    {
      lines: 'Fence=yes',
      name: 'me.timer',
      expected: ["line 1, column 1: 'Fence' is for services: the token is a variable of a process"],
    },
  ])('refuses $lines', ({ lines, name, expected }) => {
    expect(read(lines, name)).toEqual(expected);
  });
});
