// The corpus of real units as stacks: one repository's units, one version each, and what each asks of the cluster.
// Invariant: reads [X-Fleet] by rules of its own, so that nothing here agrees with the code under test by being it.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.join(import.meta.dirname, '../..');
const CORPUS = path.join(ROOT, '../shared/corpus/units');

/** What a unit's [X-Fleet] asks for, with its name's specifiers filled in. */
export interface Asks {
  readonly global: boolean;
  readonly ids: readonly string[];
  /** Allowed values by key. */
  readonly metadata: ReadonlyMap<string, ReadonlySet<string>>;
  readonly peers: readonly string[];
  readonly conflicts: readonly NamePattern[];
  readonly replaces: readonly NamePattern[];
}

/** A pattern as it is written, and as a regular expression. */
export interface NamePattern {
  readonly text: string;
  readonly matches: RegExp;
}

/** A unit that can be started. */
export interface StackUnit {
  readonly name: string;
  /** The file: of a template's instance, the template's. */
  readonly text: string;
  /** Where the text is submitted under another name. */
  readonly template?: string;
  readonly asks: Asks;
}

export interface Stack {
  readonly repository: string;
  readonly units: readonly StackUnit[];
}

/** Why there are no stacks here, undefined when there are. Prints it, so that a skip is never silent. */
export function noStacks(): string | undefined {
  if (existsSync(CORPUS)) return undefined;
  const reason = 'no corpus of real units at ../shared/corpus/units';
  process.stderr.write(`skipped: ${reason}\n`);
  return reason;
}

/** All repositories, by name; nothing where there is no corpus. `pinned` are instances for templates that ask for a machine by it. */
export function stacks(pinned: readonly string[]): readonly Stack[] {
  if (!existsSync(CORPUS)) return [];
  const accepted = acceptedFiles();
  return readdirSync(CORPUS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => ({ repository: name, units: unitsOf(name, accepted, pinned) }))
    .sort((a, b) => (a.repository < b.repository ? -1 : 1));
}

/** The same with a plain unit for each peer by MachineOf= that the corpus does not have. */
export function withPeers(stack: Stack): Stack {
  const own = new Set(stack.units.map(({ name }) => name));
  const peers = new Set(stack.units.flatMap(({ asks }) => asks.peers));
  // A template can be no peer: such a unit waits for ever.
  const missing = [...peers].filter((name) => !own.has(name) && !name.includes('@.'));
  const text = '[Service]\nExecStart=/bin/sleep infinity\n';
  const made = missing.map((name) => ({ name, text, asks: asksOf(name, text) }));
  const units = [...stack.units, ...made].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { repository: `${stack.repository} with peers`, units };
}

/** All stacks as one; of units that share a name, the first stack's. */
export function together(all: readonly Stack[]): Stack {
  const templates = new Map<string, StackUnit>();
  const units = new Map<string, StackUnit>();
  for (const unit of all.flatMap((stack) => stack.units)) {
    const { name, template, text } = unit;
    // Instances of one template have one text.
    if (template !== undefined && (templates.get(template)?.text ?? text) !== text) continue;
    if (template !== undefined) templates.set(template, unit);
    if (!units.has(name)) units.set(name, unit);
  }
  const sorted = [...units.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { repository: 'the whole corpus', units: sorted };
}

function acceptedFiles(): ReadonlySet<string> {
  const table = readFileSync(path.join(ROOT, 'test/fixtures/corpus-verdicts.tsv'), 'utf8');
  const rows = table.split('\n').map((row) => row.split('\t'));
  return new Set(rows.filter((row) => row[1] === 'accepted').map((row) => row[0] ?? ''));
}

function unitsOf(
  repository: string,
  accepted: ReadonlySet<string>,
  pinned: readonly string[],
): readonly StackUnit[] {
  const files = readdirSync(path.join(CORPUS, repository))
    .filter((file) => accepted.has(`${repository}/${file}`))
    .sort((a, b) => ageOf(a) - ageOf(b) || (a < b ? -1 : 1));
  const chosen = new Map(files.map((file) => [file.slice(file.lastIndexOf('~') + 1), file]));
  const units = [...chosen].flatMap(([name, file]): StackUnit[] => {
    const text = readFileSync(path.join(CORPUS, repository, file), 'utf8');
    if (!name.includes('@.')) return [{ name, text, asks: asksOf(name, text) }];
    const instances = /^MachineID=%i/m.test(text) ? pinned : ['1', '2'];
    return instances.map((instance) => {
      const full = name.replace('@.', `@${instance}.`);
      return { name: full, text, template: name, asks: asksOf(full, text) };
    });
  });
  // An instance may also have a file of its own: that one counts.
  const own = units.filter(({ name, template }) => template === undefined || !chosen.has(name));
  return own.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The current version, without a commit in front, comes last, so that it is the one that stays. */
function ageOf(file: string): number {
  return /^[0-9a-f]{8}~/.test(file) ? 0 : 1;
}

/** One `Name=Value` of a unit file, continued lines joined by a blank. */
export type Line = readonly [section: string, name: string, value: string];

/** Lines of a unit file in order. */
export function linesOfUnit(text: string): readonly Line[] {
  const lines: Line[] = [];
  let section = '';
  for (const raw of text.replaceAll(/\\\r?\n/g, ' ').split('\n')) {
    const line = raw.trim();
    const header = /^\[(.*)\]$/.exec(line);
    const assignment = /^([^#;[=][^=]*)=(.*)$/.exec(line);
    if (header !== null) section = header[1]!;
    else if (assignment !== null)
      lines.push([section, assignment[1]!.trim(), assignment[2]!.trim()]);
  }
  return lines;
}

function asksOf(unit: string, text: string): Asks {
  const wanted = linesOfUnit(text).filter(([section]) => section === 'X-Fleet');
  const values = (...names: readonly string[]): readonly string[] =>
    wanted
      .filter(([, name]) => names.some((key) => name === key || name === `X-${key}`))
      .flatMap(([, , value]) => wordsOf(value))
      .map((word) => fillIn(unit, word));
  const metadata = new Map<string, Set<string>>();
  for (const pair of values('MachineMetadata', 'ConditionMachineMetadata')) {
    const [key = '', value = ''] = pair.split('=');
    metadata.set(key, (metadata.get(key) ?? new Set()).add(value));
  }
  return {
    global: values('Global').at(-1) === 'true',
    ids: values('MachineID', 'ConditionMachineID', 'ConditionMachineBootID'),
    metadata,
    peers: values('MachineOf', 'ConditionMachineOf'),
    conflicts: values('Conflicts').map(patternOf),
    replaces: values('Replaces').map(patternOf),
  };
}

function wordsOf(value: string): readonly string[] {
  return [...value.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

/** %n %N %p %i are all that the corpus has. */
function fillIn(unit: string, word: string): string {
  const stem = unit.slice(0, unit.lastIndexOf('.'));
  const [prefix = '', instance = ''] = stem.split('@');
  const values: Record<string, string> = { n: unit, N: stem, p: prefix, i: instance };
  return word.replaceAll(/%(.)/g, (_, letter: string) => {
    const value = values[letter];
    if (value === undefined) throw new Error(`'%${letter}' in [X-Fleet] of ${unit}: not foreseen`);
    return value;
  });
}

function patternOf(text: string): NamePattern {
  if (/[[\\]/.test(text)) throw new Error(`the pattern '${text}' is not foreseen`);
  const quoted = text.replaceAll(/[.+^${}()|\]]/g, String.raw`\$&`);
  const source = quoted.replaceAll('*', '[^/]*').replaceAll('?', '[^/]');
  return { text, matches: new RegExp(`^${source}$`) };
}

/**
 * Metadata for so many machines, such that each set that a unit asks for is had by one or two machines, and by all never. Of two
 * sets that exclude each other, each has a machine of its own as long as there are enough.
 */
export function metadataFor(stack: Stack, machines: number): readonly Record<string, string>[] {
  const given = Array.from({ length: machines }, (): Record<string, string> => ({}));
  const sets = new Map(
    stack.units
      .filter(({ asks }) => asks.metadata.size > 0)
      .map(({ asks }) => [...asks.metadata].map(([key, values]) => [key, [...values][0]!] as const))
      .map((pairs) => [pairs.map((pair) => pair.join('=')).join(' '), pairs] as const),
  );
  for (const copy of [0, 1])
    for (const [index, [, pairs]] of [...sets].sort(([a], [b]) => (a < b ? -1 : 1)).entries()) {
      const fits = given
        .map((metadata, at) => ({ metadata, at: (at + index + copy) % machines }))
        .filter(({ metadata }) =>
          pairs.every(([key, value]) => (metadata[key] ?? value) === value && key !== ''),
        )
        .filter(({ metadata }) => pairs.some(([key]) => metadata[key] === undefined))
        .sort((a, b) => sizeOf(a.metadata) - sizeOf(b.metadata) || a.at - b.at);
      const has = given.filter((metadata) =>
        pairs.every(([key, value]) => metadata[key] === value),
      );
      const chosen = fits[0];
      if (chosen !== undefined && has.length <= copy && given.length - has.length > 1)
        for (const [key, value] of pairs) chosen.metadata[key] = value;
    }
  return given;
}

function sizeOf(metadata: Readonly<Record<string, string>>): number {
  return Object.keys(metadata).length;
}
