// [X-Fleet] (also legacy spellings) → Requirements, or every problem found.
// Invariant: what is not understood is refused, never passed over: a unit that says where it must run does not run elsewhere.
import { FLEET_VALUE_MAX_CHARS, FLEET_VALUES_MAX, UNIT_PROBLEMS_MAX } from '../model/limits.ts';
import { RUNTIMES } from '../model/container-runtime.ts';
import type { Requirements } from '../model/requirements.ts';
import type { UnitName, UnitOption } from '../model/unit.ts';
import type { FleetKeyKind } from './fleet-keys.ts';
import { editDistance, FLEET_KEYS, LATER_KEYS, nearestFleetKey } from './fleet-keys.ts';
import { combinationProblems, quoteGlob, requirementsFrom } from './fleet-rules.ts';
import type { Place, Request } from './fleet-rules.ts';
import { survivalFrom, survivalProblems } from './survival-rules.ts';
import { GLOB_HINT, globProblem } from './glob.ts';
import { parseUnitName } from './name.ts';
import type { ValueFault, Word } from './option-value.ts';
import { wordsOf } from './option-value.ts';
import type { UnitFile } from './parse.ts';
import type { Checked, Problem } from './problem.ts';
import { boundedProblems } from './problem.ts';
import { quadletTypeOf, runtimesFor } from './quadlet-name.ts';
import type { Expansion, UnitSpecifiers } from './specifiers.ts';
import { expandForMachine, expandSpecifiers, specifiersOf } from './specifiers.ts';

/** The requirements in a unit's options, stored or of a file; those of other sections are passed over. */
export function requirementsOf(
  name: UnitName,
  options: readonly UnitOption[],
): Checked<Requirements> {
  return check(
    name,
    options.map((option) => ({ option, nameAt: {}, valueAt: () => ({}) })),
  );
}

/** The same of a parsed file, where problems have their line and column. */
export function checkFleetOptions(name: UnitName, file: UnitFile): Checked<Requirements> {
  const options = file.entries.filter((entry) => entry.kind === 'option');
  return check(
    name,
    options.map((option) => ({
      option,
      nameAt: { line: option.line, column: option.column },
      valueAt: (offset) => {
        const before = option.value.slice(0, offset);
        const down = before.split('\n').length - 1;
        if (down === 0) return { line: option.valueLine, column: option.valueColumn + offset };
        return { line: option.valueLine + down, column: offset - before.lastIndexOf('\n') };
      },
    })),
  );
}

interface PlacedOption {
  readonly option: UnitOption;
  readonly nameAt: Place;
  readonly valueAt: (offset: number) => Place;
}

function check(name: UnitName, options: readonly PlacedOption[]): Checked<Requirements> {
  const requests: Request[] = [];
  const problems: Problem[] = [];
  const specifiers = specifiersOf(name);
  const counts = new Map<FleetKeyKind, number>();
  for (const placed of options.filter(({ option }) => option.section === 'X-Fleet')) {
    if (problems.length > UNIT_PROBLEMS_MAX) break;
    const kind = FLEET_KEYS.get(placed.option.name);
    if (kind === undefined) {
      problems.push(unknownKey(placed));
      continue;
    }
    const read = readOption(kind, placed, specifiers);
    problems.push(...read.problems);
    const before = counts.get(kind) ?? 0;
    counts.set(kind, before + read.requests.length);
    if (before <= FLEET_VALUES_MAX && before + read.requests.length > FLEET_VALUES_MAX) {
      problems.push({
        ...placed.nameAt,
        message: `'${placed.option.name}' has more than ${FLEET_VALUES_MAX} values`,
        hint: 'Use a pattern, or fewer values.',
      });
    }
    requests.push(...read.requests.slice(0, FLEET_VALUES_MAX));
  }
  problems.push(...misspelt(options), ...misplacedRuntime(name, requests));
  // Only what is bounded is compared pair by pair.
  if (problems.length === 0)
    problems.push(...combinationProblems(requests), ...survivalProblems(name, requests));
  return problems.length > 0
    ? { problems: boundedProblems(problems) }
    : { ok: { ...withRuntimes(name, requests), ...survivalFrom(requests) } };
}

/** What stored options are of: no slip, and asked of every unit of a cluster. */
const MEANT: ReadonlySet<string> = new Set(['X-Fleet', 'Install']);

/** What a Quadlet file needs of its machine follows from its name too, also where the file asks for nothing. */
function withRuntimes(name: UnitName, requests: readonly Request[]): Requirements {
  const asked = requests.findLast(({ kind }) => kind === 'runtime')?.text;
  const runtimes = runtimesFor(
    name,
    RUNTIMES.find((runtime) => runtime === asked),
  );
  const needs = requirementsFrom(requests);
  return runtimes === undefined ? needs : { ...needs, runtimes };
}

/** Runtime= beside a unit that systemd runs by itself asks for nothing that anybody would do. */
function misplacedRuntime(name: UnitName, requests: readonly Request[]): readonly Problem[] {
  const asked = requests.find(({ kind }) => kind === 'runtime');
  if (asked === undefined || quadletTypeOf(name) !== undefined) return [];
  return [
    {
      ...asked.at,
      message: `'Runtime=' is for Quadlet files, and '${name}' is none`,
      hint: "Remove it, or name the unit '….container'.",
    },
  ];
}

/** Sections that are one slip away from [X-Fleet]: passed over, they would let the unit run anywhere. */
function misspelt(options: readonly PlacedOption[]): readonly Problem[] {
  const first = new Map<string, PlacedOption>();
  for (const placed of options) {
    const { section } = placed.option;
    if (MEANT.has(section) || first.has(section) || !isSlipOf(section, 'X-Fleet')) continue;
    first.set(section, placed);
  }
  return [...first].map(([section, { nameAt }]) => ({
    ...nameAt,
    message: `the section '[${section}]' is not [X-Fleet], and would be passed over`,
    hint: 'Write [X-Fleet]; a section of your own needs a name less like it.',
  }));
}

/** The same but for case, or two edits. */
function isSlipOf(section: string, meant: string): boolean {
  if (Math.abs(section.length - meant.length) > 2) return false;
  return editDistance(section.toLowerCase(), meant.toLowerCase()) <= 2;
}

function unknownKey({ option, nameAt }: PlacedOption): Problem {
  const name = option.name.length <= 64 ? option.name : `${option.name.slice(0, 63)}…`;
  if (LATER_KEYS.has(option.name)) {
    return {
      ...nameAt,
      message: `the option '${name}' in [X-Fleet] is not supported yet`,
      hint: 'Remove it: this version would not do what it asks for.',
    };
  }
  return {
    ...nameAt,
    message: `the option '${name}' in [X-Fleet] is not known; the nearest known one is '${nearestFleetKey(option.name)}'`,
    hint: `Known are ${[...FLEET_KEYS.keys()].filter((key) => !key.startsWith('X-')).join(', ')}.`,
  };
}

/** The values of one option, each expanded and checked by itself. */
function readOption(
  kind: FleetKeyKind,
  placed: PlacedOption,
  specifiers: UnitSpecifiers,
): { requests: readonly Request[]; problems: readonly Problem[] } {
  const { option, nameAt, valueAt } = placed;
  const { words, fault } =
    kind === 'metadata' ? metadataWords(option.value) : wordsOf(option.value);
  const requests: Request[] = [];
  const problems: Problem[] = [];
  const report = ({ offset, message, hint }: ValueFault): void => {
    problems.push({ ...valueAt(offset), message: `${option.name}: ${message}`, hint });
  };
  if (fault !== undefined) report(fault);
  else if (words.length === 0 && !MAY_BE_EMPTY.has(kind)) {
    report({ offset: 0, message: 'it has no value', hint: 'Remove the line, or give a value.' });
  } else if (words.length > 1 && TAKES_ONE.has(kind)) {
    const offset = words[1]?.offset ?? 0;
    report({ offset, message: 'it takes one value', hint: 'Remove the others.' });
  }
  for (const word of words.slice(0, FLEET_VALUES_MAX + 1)) {
    const quote = kind === 'conflicts' || kind === 'replaces' ? quoteGlob : undefined;
    const expansion = expandSpecifiers(word.text, specifiers, quote);
    if (expansion.kind === 'problem') {
      report({ ...expansion, offset: word.offset + expansion.index });
      continue;
    }
    const text = expansion.kind === 'deferred' ? word.text : expansion.text;
    const wrong = lengthFault(text) ?? valueFault(kind, expansion);
    const state = expansion.kind;
    if (wrong === undefined) requests.push({ kind, key: option.name, text, state, at: nameAt });
    else report({ offset: word.offset, ...wrong });
  }
  return { requests, problems };
}

/** An empty value of these says nothing, as in fleet 1.0; of the others it would ask for a machine that cannot be. */
const MAY_BE_EMPTY: ReadonlySet<FleetKeyKind> = new Set(['conflicts', 'replaces', 'global']);

const TAKES_ONE: ReadonlySet<FleetKeyKind> = new Set([
  'machineId',
  'global',
  'bootWithoutStore',
  'runtime',
  'fence',
  'onPartition',
]);

/** Without quotes the whole value is one `key=value`, blanks inside belong to it; several on a line must be quoted. */
function metadataWords(value: string): ReturnType<typeof wordsOf> {
  const { words, fault } = wordsOf(value);
  const [first, second] = words;
  if (fault !== undefined || first === undefined || second === undefined)
    return { words, ...(fault && { fault }) };
  if (words.every(({ quoted }) => quoted)) return { words };
  const whole = words.map(({ text }) => text).join(' ');
  if (words.every(({ quoted }) => !quoted) && whole.split('=').length === 2) {
    return { words: [{ text: whole, offset: first.offset, quoted: false }] };
  }
  const unquoted = words.find((word): word is Word => !word.quoted) ?? first;
  return {
    words: [],
    fault: {
      offset: unquoted.offset,
      message: `several values on one line must each be quoted, '${unquoted.text}' is not`,
      hint: 'Write "key=value" "key=value", or one line for each.',
    },
  };
}

type Fault = Omit<ValueFault, 'offset'>;

function lengthFault(text: string): Fault | undefined {
  if (text.length <= FLEET_VALUE_MAX_CHARS) return undefined;
  const message = `a value has more than ${FLEET_VALUE_MAX_CHARS} characters`;
  return { message, hint: 'Shorten it; specifiers count with what they stand for.' };
}

/** A host of the worst name: where only some names could stand, as in a set of a pattern, none is taken. */
const SAMPLE_MACHINE = { id: 'f'.repeat(32), hostname: '-' };

function valueFault(
  kind: FleetKeyKind,
  expansion: Exclude<Expansion, Readonly<{ kind: 'problem' }>>,
): Fault | undefined {
  if (expansion.kind === 'deferred') return undefined;
  if (expansion.kind === 'ok') return CHECKS[kind](expansion.text);
  const fault = CHECKS[kind](expandForMachine(expansion.text, SAMPLE_MACHINE));
  if (fault === undefined) return undefined;
  const { id, hostname } = SAMPLE_MACHINE;
  return {
    ...fault,
    message: `on a machine ${id} with the host name '${hostname}', ${fault.message}`,
  };
}

const CHECKS: Readonly<Record<FleetKeyKind, (text: string) => Fault | undefined>> = {
  // Any word, as the original: one that no machine has leaves the unit pending, and `explain` shows both ids.
  machineId: () => undefined,
  metadata: metadataFault,
  machineOf: (text) => {
    const { problem } = parseUnitName(text);
    if (problem === undefined) return undefined;
    return { message: problem.message, hint: problem.hint ?? 'Name one unit, in full.' };
  },
  conflicts: globFault,
  replaces: globFault,
  global: booleanFault,
  bootWithoutStore: booleanFault,
  runtime: (text) => {
    if (text === 'auto' || RUNTIMES.some((runtime) => runtime === text)) return undefined;
    return {
      message: `'${text}' is no runtime`,
      hint: `Write one of ${RUNTIMES.join(', ')}, auto.`,
    };
  },
  fence: booleanFault,
  onPartition: (text) =>
    text === 'keep' || text === 'stop'
      ? undefined
      : { message: `'${text}' is neither 'keep' nor 'stop'`, hint: "Write 'keep' or 'stop'." },
};

function booleanFault(text: string): Fault | undefined {
  if (/^(?:true|yes|1|on|t|false|no|0|off|f)$/i.test(text)) return undefined;
  return { message: `'${text}' is no boolean`, hint: "Write 'true' or 'false'." };
}

function globFault(text: string): Fault | undefined {
  const fault = globProblem(text);
  if (fault === undefined) return undefined;
  return { message: `the pattern '${text}' is malformed: ${fault}`, hint: GLOB_HINT };
}

function metadataFault(text: string): Fault | undefined {
  const [key = '', value = '', ...more] = text.split('=');
  if (/[<>!]$/.test(key)) {
    return {
      message: `'${text}' has an operator, which is not supported yet`,
      hint: "Only 'key=value' is: name each value that is allowed.",
    };
  }
  if (key === '' || value === '' || more.length > 0) {
    return {
      message: `'${text}' is not of the form key=value`,
      hint: "Write one '=', with a key before and a value behind it.",
    };
  }
  if (key.trim() === key && value.trim() === value) return undefined;
  return {
    message: `'${text}' has blanks round '='`,
    hint: 'Remove them: they would be compared too.',
  };
}
