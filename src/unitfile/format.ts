// Structure → text: the exact text of a parsed file, or the canonical text of options that came without one (v1 of the API).
// Invariant: options that unitFileFromOptions() takes come back from its text through parseUnitFile() and optionsOf().
import type { UnitOption } from '../model/unit.ts';
import { isContinued, trimSpace } from './lex.ts';
import type { UnitFile } from './parse.ts';
import { parseUnitFile } from './parse.ts';
import type { Checked, Problem } from './problem.ts';

/** The text that the file was parsed from, to the character. */
export function formatUnitFile(file: UnitFile): string {
  return (file.bom ? '\uFEFF' : '') + file.entries.map((entry) => entry.raw).join('');
}

/** All assignments in the order of the file. */
export function optionsOf(file: UnitFile): readonly UnitOption[] {
  return file.entries
    .filter((entry) => entry.kind === 'option')
    .map(({ section, name, value }) => ({ section, name, value }));
}

/** The options that the cluster keeps in a unit's record: those of [X-Fleet] and [Install]. */
export function storedOptionsOf(options: readonly UnitOption[]): readonly UnitOption[] {
  return options.filter(({ section }) => section === 'X-Fleet' || section === 'Install');
}

/** A unit file with these options, sections merged in the order first seen; problems name options that no file can hold. */
export function unitFileFromOptions(options: readonly UnitOption[]): Checked<UnitFile> {
  const wanted = options.map(normalized);
  const problems = wanted.flatMap((option) => problemOf(option) ?? []);
  if (problems.length > 0) return { problems };
  const parsed = parseUnitFile(canonicalText(wanted.map(writable)));
  if (parsed.problems !== undefined) return parsed;
  const written = optionsOf(parsed.ok);
  const expected = groupedBySection(wanted).flatMap(([, group]) => group);
  const index = expected.findIndex((option, at) => !sameOption(option, written[at]));
  if (index === -1 && written.length === expected.length) return parsed;
  return { problems: [unwritable(expected[index] ?? expected.at(-1))] };
}

/** The options as go-systemd writes them: what HASH is taken over, and v1's notion of a unit file. */
export function canonicalText(options: readonly UnitOption[]): string {
  return groupedBySection(options)
    .map(([section, group]) => {
      const lines = group.map(({ name, value }) => `${name}=${value}\n`);
      return `[${section}]\n${lines.join('')}`;
    })
    .join('\n');
}

function groupedBySection(
  options: readonly UnitOption[],
): readonly (readonly [section: string, options: readonly UnitOption[]])[] {
  return [...Map.groupBy(options, ({ section }) => section)];
}

/** As the option comes back from a file: the ends are trimmed, and a newline that ends a continuation stays. */
function normalized({ section, name, value }: UnitOption): UnitOption {
  const trimmed = trimSpace(value);
  const blankEnd = value.endsWith('\n') && isContinued(trimmed);
  return { section, name: trimSpace(name), value: blankEnd ? `${trimmed}\n` : trimmed };
}

/** A '\' at the end that does not go on must not swallow the next line: a blank after it keeps it what it is. */
function writable(option: UnitOption): UnitOption {
  return isContinued(option.value) ? { ...option, value: `${option.value} ` } : option;
}

function problemOf(option: UnitOption): Problem | undefined {
  const parsed = parseUnitFile(canonicalText([writable(option)]));
  if (parsed.problems !== undefined) return unwritable(option);
  const written = optionsOf(parsed.ok);
  return written.length === 1 && sameOption(option, written[0]) ? undefined : unwritable(option);
}

function sameOption(a: UnitOption, b: UnitOption | undefined): boolean {
  return a.section === b?.section && a.name === b.name && a.value === b.value;
}

function unwritable(option: UnitOption | undefined): Problem {
  const where = option === undefined ? '' : ` '${option.name}' of section '${option.section}'`;
  return {
    message: `the option${where} cannot be written into a unit file`,
    hint: "A value goes over several lines only where each line but the last ends in '\\'; names have no '=' and no line break.",
  };
}
