import { describe, expect, it } from 'vitest';
import { FLEET_VALUE_MAX_CHARS, FLEET_VALUES_MAX } from '../../../src/model/limits.ts';
import { NO_REQUIREMENTS } from '../../../src/model/requirements.ts';
import type { Requirements } from '../../../src/model/requirements.ts';
import { checkFleetOptions, requirementsOf } from '../../../src/unitfile/fleet-options.ts';
import { optionsOf, storedOptionsOf } from '../../../src/unitfile/format.ts';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';
import { problemLine } from '../../../src/unitfile/problem.ts';

const ID = '0123456789abcdef0123456789abcdef';

/** The requirements of a file with this [X-Fleet] section (its lines count from 1), or the problems as lines. */
function read(lines: string, name = 'me.service'): Partial<Requirements> | readonly string[] {
  const file = parseUnitFile(`[X-Fleet]\n${lines}`).ok!;
  const fromFile = checkFleetOptions(checkUnitName(name), file);
  const stored = requirementsOf(checkUnitName(name), storedOptionsOf(optionsOf(file)));
  expect(stored.ok).toEqual(fromFile.ok);
  expect(stored.problems?.map(({ message }) => message)).toEqual(
    fromFile.problems?.map(({ message }) => message),
  );
  if (fromFile.ok === undefined) {
    return fromFile.problems.map(({ line = 0, ...problem }) =>
      problemLine({ ...problem, line: line - 1 }),
    );
  }
  const said = Object.entries(fromFile.ok).filter(
    ([key, value]) =>
      JSON.stringify(value) !== JSON.stringify(NO_REQUIREMENTS[key as keyof Requirements]),
  );
  return Object.fromEntries(said);
}

const metadata = (...pairs: readonly (readonly [string, ...string[]])[]) => ({
  metadata: pairs.map(([key, ...values]) => ({ key, values })),
});

describe('checkFleetOptions and requirementsOf', () => {
  it.for([
    { name: 'nothing', lines: '', expected: {} },
    { name: 'a full machine id', lines: `MachineID=${ID}`, expected: { machineId: ID } },
    {
      name: 'its first eight',
      lines: `MachineID="${ID.slice(0, 8)}"`,
      expected: { machineId: '01234567' },
    },
    {
      name: 'a word that no machine has as its id, as the original',
      lines: 'MachineID=CHANGEME',
      expected: { machineId: 'CHANGEME' },
    },
    {
      name: 'both, taking the longer',
      lines: `MachineID=01234567\nX-ConditionMachineID=${ID}`,
      expected: { machineId: ID },
    },
    {
      name: 'a legacy boot id as a machine id',
      lines: `X-ConditionMachineBootID=${ID}`,
      expected: { machineId: ID },
    },
    { name: 'metadata', lines: 'MachineMetadata=role=web', expected: metadata(['role', 'web']) },
    {
      name: 'quoted metadata, several on a line',
      lines: 'MachineMetadata="zone=b" "role=web"\t"zone=a"',
      expected: metadata(['role', 'web'], ['zone', 'a', 'b']),
    },
    {
      name: 'metadata with blanks in an unquoted value',
      lines: 'MachineMetadata=name=my  host',
      expected: metadata(['name', 'my host']),
    },
    {
      name: 'metadata over several lines',
      lines: 'MachineMetadata="a=1" \\\n# why\n  "b=2"',
      expected: metadata(['a', '1'], ['b', '2']),
    },
    {
      name: 'metadata with single quotes',
      lines: "MachineMetadata='a=1'",
      expected: metadata(['a', '1']),
    },
    {
      name: 'metadata twice, once in the old spelling',
      lines: 'MachineMetadata=a=2\nX-ConditionMachineMetadata=a=1\nMachineMetadata=a=2',
      expected: metadata(['a', '1', '2']),
    },
    {
      name: 'peers',
      lines: 'MachineOf=b.service a.service\nX-ConditionMachineOf=a.service',
      expected: { machineOf: ['a.service', 'b.service'] },
    },
    {
      name: 'conflicts',
      lines: 'Conflicts=b* a.service\nX-Conflicts=c@*.service\nConflicts=',
      expected: { conflicts: ['a.service', 'b*', 'c@*.service'] },
    },
    {
      name: 'replaces',
      lines: 'Replaces=a.service b.service',
      expected: { replaces: ['a.service', 'b.service'] },
    },
    { name: 'Global=true', lines: 'Global=true', expected: { global: true } },
    {
      name: 'Global, the last value',
      lines: 'Global=true\nGlobal=false\nGlobal=Yes',
      expected: { global: true },
    },
    {
      name: 'Global=false with what true excludes',
      lines: 'Global=false\nMachineOf=a.service',
      expected: { machineOf: ['a.service'] },
    },
    {
      name: 'Global with metadata and conflicts',
      lines: 'Global=on\nMachineMetadata=a=1\nConflicts=b*',
      expected: { global: true, ...metadata(['a', '1']), conflicts: ['b*'] },
    },
    { name: 'an empty Global as false', lines: 'Global=', expected: {} },
    {
      name: 'MachineID with peers and conflicts',
      lines: 'MachineID=01234567\nMachineOf=a.service\nConflicts=b*',
      expected: { machineId: '01234567', machineOf: ['a.service'], conflicts: ['b*'] },
    },
    { name: 'conflicts with itself', lines: 'Conflicts=me.*', expected: { conflicts: ['me.*'] } },
  ])('takes $name', ({ lines, expected }) => {
    expect(read(lines)).toEqual(expected);
  });

  it.for([
    {
      name: 'app@1.service',
      lines: 'MachineOf=db@%i.service\nConflicts=%p@*.service',
      expected: { machineOf: ['db@1.service'], conflicts: ['app@*.service'] },
    },
    {
      name: 'app@role\\x3dweb.service',
      lines: 'MachineMetadata=%I',
      expected: metadata(['role', 'web']),
    },
    {
      name: 'a\\x2db@1.service',
      lines: 'Conflicts=%p@*.service',
      expected: { conflicts: ['a\\\\x2db@*.service'] },
    },
    { name: `pin@${ID}.service`, lines: 'MachineID=%i', expected: { machineId: ID } },
    {
      name: 'app@.service',
      lines:
        'MachineMetadata=host=%i\nMachineOf=db@%i.service %p.service\nConflicts=%p@*.service %n',
      expected: {
        ...metadata(['host', '%i']),
        machineOf: ['app.service'],
        conflicts: ['%n', 'app@*.service'],
      },
    },
    {
      name: 'app@.service',
      lines: 'MachineID=%i\nMachineMetadata=%I\nGlobal=%i',
      expected: { machineId: '%i' },
    },
    {
      name: 'app@1.service',
      lines:
        'MachineID=%m\nMachineMetadata=host=%H\nMachineMetadata=a%%=1\nMachineOf=web@%l.service b.service\nConflicts=%p@*-%H.service',
      expected: {
        machineOf: ['b.service'],
        perMachine: {
          machineId: ['%m'],
          metadata: ['a%%=1', 'host=%H'],
          machineOf: ['web@%l.service'],
          conflicts: ['app@*-%H.service'],
          replaces: [],
        },
      },
    },
  ])('expands specifiers for $name', ({ name, lines, expected }) => {
    expect(read(lines, name)).toEqual(expected);
  });

  it.for([
    {
      lines: ' Conflict=a',
      expected: [
        "line 1, column 2: the option 'Conflict' in [X-Fleet] is not known; the nearest known one is 'Conflicts'",
      ],
    },
    {
      lines: 'machineof=a.service',
      expected: [
        "line 1, column 1: the option 'machineof' in [X-Fleet] is not known; the nearest known one is 'MachineOf'",
      ],
    },
    {
      lines: 'X-ConditionMachineMetadat=a=b',
      expected: [
        "line 1, column 1: the option 'X-ConditionMachineMetadat' in [X-Fleet] is not known; the nearest known one is 'X-ConditionMachineMetadata'",
      ],
    },
    {
      lines: 'Weight=3',
      expected: ["line 1, column 1: the option 'Weight' in [X-Fleet] is not supported yet"],
    },
    { lines: 'MachineID=', expected: ['line 1, column 11: MachineID: it has no value'] },
    {
      lines: `MachineID=01234567 ${ID}`,
      expected: ['line 1, column 20: MachineID: it takes one value'],
    },
    {
      lines: 'MachineID=01234567\nMachineID=89abcdef',
      expected: ["line 2, column 1: 'MachineID' asks for another machine than '01234567'"],
    },
    {
      lines: 'MachineMetadata=web',
      expected: ["line 1, column 17: MachineMetadata: 'web' is not of the form key=value"],
    },
    {
      lines: 'MachineMetadata=a=b=c',
      expected: ["line 1, column 17: MachineMetadata: 'a=b=c' is not of the form key=value"],
    },
    {
      lines: 'MachineMetadata="a=b" "c" "d="',
      expected: [
        "line 1, column 24: MachineMetadata: 'c' is not of the form key=value",
        "line 1, column 28: MachineMetadata: 'd=' is not of the form key=value",
      ],
    },
    {
      lines: 'MachineMetadata=a=b c=d',
      expected: [
        "line 1, column 17: MachineMetadata: several values on one line must each be quoted, 'a=b' is not",
      ],
    },
    {
      lines: 'MachineMetadata="a=b" c=d',
      expected: [
        "line 1, column 23: MachineMetadata: several values on one line must each be quoted, 'c=d' is not",
      ],
    },
    {
      lines: 'MachineMetadata="a=b',
      expected: ['line 1, column 17: MachineMetadata: the quote " is not closed'],
    },
    {
      lines: 'MachineMetadata=a="b"',
      expected: ['line 1, column 17: MachineMetadata: \'a="b"\' has a quote in its middle'],
    },
    {
      lines: 'MachineMetadata=a = b',
      expected: ["line 1, column 17: MachineMetadata: 'a = b' has blanks round '='"],
    },
    {
      lines: 'MachineMetadata=ram>=2048',
      expected: [
        "line 1, column 17: MachineMetadata: 'ram>=2048' has an operator, which is not supported yet",
      ],
    },
    {
      lines: 'MachineMetadata=role!=db',
      expected: [
        "line 1, column 17: MachineMetadata: 'role!=db' has an operator, which is not supported yet",
      ],
    },
    {
      lines: 'MachineMetadata="a=1" \\\n  "b"',
      expected: ["line 2, column 4: MachineMetadata: 'b' is not of the form key=value"],
    },
    {
      lines: 'MachineOf=db',
      expected: ["line 1, column 11: MachineOf: 'db' is not a unit name: it has no type"],
    },
    {
      lines: 'MachineOf=a.service db@%z.service',
      expected: ["line 1, column 24: MachineOf: the specifier '%z' is not known"],
    },
    {
      lines: 'Conflicts=a[%H]',
      expected: [
        "line 1, column 11: Conflicts: on a machine ffffffffffffffffffffffffffffffff with the host name '-', the pattern 'a[-]' is malformed: '-' in a set must be quoted with '\\'",
      ],
    },
    {
      lines: 'MachineOf=%H',
      expected: [
        "line 1, column 11: MachineOf: on a machine ffffffffffffffffffffffffffffffff with the host name '-', '-' is not a unit name: it has no type",
      ],
    },
    {
      lines: 'Global=%m',
      expected: [
        `line 1, column 8: Global: on a machine ${'f'.repeat(32)} with the host name '-', '${'f'.repeat(32)}' is no boolean`,
      ],
    },
    {
      lines: 'Conflicts=[a',
      expected: ["line 1, column 11: Conflicts: the pattern '[a' is malformed: a '[' has no ']'"],
    },
    { lines: 'Global=maybe', expected: ["line 1, column 8: Global: 'maybe' is no boolean"] },
    {
      lines: 'Global=true\nMachineID=01234567\nMachineOf=a.service\nReplaces=b',
      expected: [
        "line 2, column 1: 'MachineID' cannot be combined with 'Global'",
        "line 3, column 1: 'MachineOf' cannot be combined with 'Global'",
        "line 4, column 1: 'Replaces' cannot be combined with 'Global'",
        "line 2, column 1: 'MachineID' cannot be combined with 'Replaces'",
      ],
    },
    {
      lines: 'Conflicts=a\nReplaces=b',
      expected: ["line 1, column 1: 'Conflicts' cannot be combined with 'Replaces'"],
    },
    {
      lines: 'MachineOf=web@1.service\nConflicts=web@*.service',
      expected: [
        "line 1, column 1: 'MachineOf' asks for the machine of 'web@1.service', which 'Conflicts' matches by 'web@*.service'",
      ],
    },
    {
      lines: 'MachineOf=a.service\nReplaces=a*',
      expected: [
        "line 1, column 1: 'MachineOf' asks for the machine of 'a.service', which 'Replaces' matches by 'a*'",
      ],
    },
    {
      lines: 'Foo=1\nGlobal=x\nMachineMetadata=y',
      expected: [
        "line 1, column 1: the option 'Foo' in [X-Fleet] is not known; the nearest known one is 'Fence'",
        "line 2, column 8: Global: 'x' is no boolean",
        "line 3, column 17: MachineMetadata: 'y' is not of the form key=value",
      ],
    },
  ])('refuses $lines', ({ lines, expected }) => {
    expect(read(lines)).toEqual(expected);
  });

  it('takes no more values of a key than the limit', () => {
    const line = `Conflicts=${'a '.repeat(FLEET_VALUES_MAX + 1)}`;
    expect(read(line)).toEqual([
      `line 1, column 1: 'Conflicts' has more than ${FLEET_VALUES_MAX} values`,
    ]);
  });

  it.for([
    'Prefers',
    'Avoids',
    'Spread',
    'MaxPerMachine',
    'MemoryReserve',
    'CPUReserve',
    'Sticky',
    'Weight',
    'Move',
  ])('says of %s that it is not supported yet', (key) => {
    expect(read(`${key}=1`)).toEqual([
      `line 1, column 1: the option '${key}' in [X-Fleet] is not supported yet`,
    ]);
  });

  it('takes no longer values than the limit, specifiers expanded', () => {
    const message = `MachineMetadata: a value has more than ${FLEET_VALUE_MAX_CHARS} characters`;
    const fitting = 'v'.repeat(FLEET_VALUE_MAX_CHARS - 2);
    expect(read(`MachineMetadata=k=${fitting}`)).toEqual(metadata(['k', fitting]));
    expect(read(`MachineMetadata=k=${fitting}v`)).toEqual([`line 1, column 17: ${message}`]);
    expect(read(`MachineMetadata=k=${'%n'.repeat(60)}`)).toEqual([`line 1, column 17: ${message}`]);
  });

  it('passes over other sections', () => {
    const file = parseUnitFile('[Service]\nGlobal=x\n[X-Foo]\nBar=1\n').ok!;
    expect(checkFleetOptions(checkUnitName('a.service'), file)).toEqual({ ok: NO_REQUIREMENTS });
  });

  it.for(['X-Flet', 'x-fleet', 'X-Fleets', 'XFleet'])(
    'refuses [%s], one slip from [X-Fleet]',
    (section) => {
      const file = parseUnitFile(`[${section}]\nMachineMetadata=disk=ssd\n`);
      const checked = checkFleetOptions(checkUnitName('a.service'), file.ok!);
      expect(checked.problems?.map(problemLine)).toEqual([
        `line 2, column 1: the section '[${section}]' is not [X-Fleet], and would be passed over`,
      ]);
    },
  );

  it.for(['X-testproject', 'X-Fleet-Own', 'Service'])('passes over [%s]', (section) => {
    const file = parseUnitFile(`[${section}]\nMachineMetadata=disk=ssd\n`);
    expect(checkFleetOptions(checkUnitName('a.service'), file.ok!).problems).toBeUndefined();
  });
});
