import { describe, expect, it } from 'vitest';
import {
  formatUnitFile,
  optionsOf,
  storedOptionsOf,
  unitFileFromOptions,
} from '../../../src/unitfile/format.ts';
import type { UnitOption } from '../../../src/model/unit.ts';

const option = (section: string, name: string, value: string): UnitOption => ({
  section,
  name,
  value,
});

function written(options: readonly UnitOption[]): string | undefined {
  const { ok } = unitFileFromOptions(options);
  return ok === undefined ? undefined : formatUnitFile(ok);
}

describe('unitFileFromOptions', () => {
  it.for([
    { name: 'writes nothing for no options', options: [], then: '' },
    {
      name: 'merges sections in the order first seen',
      options: [option('A', 'x', '1'), option('B', 'y', '2'), option('A', 'z', '3')],
      then: '[A]\nx=1\nz=3\n\n[B]\ny=2\n',
    },
    {
      name: 'keeps continuations',
      options: [option('A', 'x', '1 \\\n  2'), option('A', 'y', '')],
      then: '[A]\nx=1 \\\n  2\ny=\n',
    },
    {
      name: 'keeps comments inside continuations',
      options: [option('A', 'x', '1 \\\n# c\n2')],
      then: '[A]\nx=1 \\\n# c\n2\n',
    },
    {
      name: 'ends a continuation that a blank line ended',
      options: [option('A', 'x', '1 \\\n'), option('A', 'y', '2')],
      then: '[A]\nx=1 \\\n\ny=2\n',
    },
    {
      name: 'keeps a backslash at the end from swallowing the next option',
      options: [option('A', 'x', '1 \\'), option('A', 'y', '2')],
      then: '[A]\nx=1 \\ \ny=2\n',
    },
    {
      name: 'trims what a file would not keep',
      options: [option('A', ' x ', ' 1 \n')],
      then: '[A]\nx=1\n',
    },
  ])('$name', ({ options, then }) => {
    expect(written(options)).toBe(then);
  });

  it.for([
    { name: 'a line break in a value', options: [option('A', 'x', '1\nExecStart=/bin/sh')] },
    { name: 'a carriage return in a value', options: [option('A', 'x', '1\r2')] },
    {
      name: 'a comment that leaves a continuation open',
      options: [option('A', 'x', '1 \\\n# c'), option('A', 'y', '2')],
    },
    { name: 'a section that ends early', options: [option('A]\n[B', 'x', '1')] },
    { name: 'an empty section name', options: [option('', 'x', '1')] },
    { name: 'an empty name', options: [option('A', '', '1')] },
    { name: 'a name with an equals sign', options: [option('A', 'x=y', '1')] },
    { name: 'a name that is a comment', options: [option('A', '#x', '1')] },
    { name: 'a name that is a section', options: [option('A', '[x', '1')] },
  ])('refuses $name', ({ options }) => {
    expect(unitFileFromOptions(options).problems?.[0]?.message).toMatch(/cannot be written/);
  });

  it('names every option that cannot be written', () => {
    const bad = [option('A', 'x', '1\n2'), option('A', 'y', '3'), option('A', 'z', '\0')];
    expect(unitFileFromOptions(bad).problems?.map(({ message }) => message)).toEqual([
      "the option 'x' of section 'A' cannot be written into a unit file",
      "the option 'z' of section 'A' cannot be written into a unit file",
    ]);
  });

  it('gives back the options it was given', () => {
    const options = [option('A', 'x', '1 \\\n2'), option('A', 'x', '\\'), option('B', 'y', '')];
    const { ok } = unitFileFromOptions(options);
    expect(ok && optionsOf(ok)).toEqual(options);
  });
});

it('storedOptionsOf keeps [X-Fleet] and [Install] in order', () => {
  const options = [
    option('X-Fleet', 'Global', 'true'),
    option('Unit', 'A', '1'),
    option('Install', 'WantedBy', 'x'),
  ];
  expect(storedOptionsOf(options)).toEqual([options[0], options[2]]);
});
