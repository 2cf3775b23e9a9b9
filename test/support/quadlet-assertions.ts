// The assertions that podman's own test files of Quadlet carry as comments: `## assert-podman-args "--name" "web"`.
import assert from 'node:assert/strict';
import type { Conversion } from '../../src/quadlet/convert.ts';
import { SectionReader } from '../../src/quadlet/section.ts';
import { splitWords } from '../../src/quadlet/words.ts';
import { parseUnitFile } from '../../src/unitfile/parse.ts';
import type { Checked } from '../../src/unitfile/problem.ts';

/** One assertion, as it stands in the file. */
export interface Assertion {
  readonly text: string;
  readonly negated: boolean;
  readonly name: string;
  readonly operands: readonly string[];
}

/** What an assertion is about: the outcome, and the links that `systemctl enable` makes of the service. */
export interface Outcome {
  readonly converted: Checked<Conversion>;
  readonly links: ReadonlyMap<string, string>;
}

export function assertionsOf(text: string): readonly Assertion[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('##'))
    .map((line) => {
      const [first = '', ...operands] = shellWords(line.slice(2));
      return {
        text: line.slice(2).trim(),
        negated: first.startsWith('!'),
        name: first.replace(/^!/, ''),
        operands: operands.map((word) => word.replaceAll('\\n', '\n').replaceAll('\\t', '\t')),
      };
    });
}

/** Whether the assertion holds; an assertion of a kind that is not known here throws. */
export function holds(assertion: Assertion, outcome: Outcome): boolean {
  const check = CHECKS[assertion.name];
  assert.ok(check !== undefined, `an assertion of an unknown kind: ${assertion.text}`);
  return check(new Subject(outcome), assertion.operands) !== assertion.negated;
}

type Check = (subject: Subject, operands: readonly string[]) => boolean;

class Subject {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    this.outcome = outcome;
  }

  get messages(): readonly string[] {
    const { ok, problems } = this.outcome.converted;
    return (problems ?? ok.warnings).map(({ message }) => message);
  }

  values(section: string, key: string): readonly string[] {
    return this.#reader(section)
      .all(key)
      .map(({ value }) => value);
  }

  last(section: string, key: string): string | undefined {
    return this.#reader(section).last(key)?.value;
  }

  command(key: string): readonly string[] {
    return splitWords(this.last('Service', key) ?? '', 'unescape').words ?? [];
  }

  #reader(section: string): SectionReader {
    const text = this.outcome.converted.ok?.text ?? '';
    return new SectionReader(parseUnitFile(text).ok, section);
  }
}

const same = (a: string, b: string): boolean => a === b;
const matches = (text: string, pattern: string): boolean => new RegExp(pattern).test(text);

function holdsAt(
  words: readonly string[],
  at: number,
  wanted: readonly string[],
  equal: (word: string, wanted: string) => boolean,
): boolean {
  if (at < 0 || at + wanted.length > words.length) return false;
  return wanted.every((word, index) => equal(words[at + index] ?? '', word));
}

const anywhere =
  (key: string, equal = same): Check =>
  (subject, wanted) =>
    subject.command(key).some((_, at, words) => holdsAt(words, at, wanted, equal));

const atEnd =
  (key: string, equal = same): Check =>
  (subject, wanted) => {
    const words = subject.command(key);
    return holdsAt(words, words.length - wanted.length, wanted, equal);
  };

/** Behind the option, one `KEY=VALUE` list with the same entries in any order. */
const keyValues =
  (key: string): Check =>
  (subject, [option = '', separator = ',', wanted = '']) => {
    const entries = (list: string): readonly string[] => list.split(separator).sort();
    return subject
      .command(key)
      .some(
        (word, at, words) =>
          words[at - 1] === option && same(entries(word).join('\n'), entries(wanted).join('\n')),
      );
  };

/** Before the verb: arguments of podman itself. */
const globalArguments =
  (key: string): Check =>
  (subject, [verb = '', ...wanted]) => {
    const words = subject.command(key);
    const before = words.slice(0, words.indexOf(verb));
    return before.some((_, at) => holdsAt(before, at, wanted, same));
  };

const COMMANDS = {
  '': 'ExecStart',
  pre: 'ExecStartPre',
  stop: 'ExecStop',
  'stop-post': 'ExecStopPost',
};

const CHECKS: Readonly<Record<string, Check>> = {
  'assert-failed': ({ outcome }) => outcome.converted.ok === undefined,
  'assert-stderr-contains': ({ messages }, [part = '']) =>
    messages.some((message) => message.includes(part)),
  'assert-key-is': (subject, [section = '', key = '', ...wanted]) => {
    const values = subject.values(section, key);
    return values.length === wanted.length && holdsAt(values, 0, wanted, same);
  },
  'assert-key-is-regex': (subject, [section = '', key = '', ...wanted]) => {
    const values = subject.values(section, key);
    return values.length === wanted.length && holdsAt(values, 0, wanted, matches);
  },
  'assert-key-is-empty': (subject, [section = '', key = '']) =>
    subject.values(section, key).length === 0,
  'assert-key-contains': (subject, operands) => lastContains(subject, operands),
  'assert-last-key-contains': (subject, operands) => lastContains(subject, operands),
  'assert-last-key-is-regex': (subject, [section = '', key = '', pattern = '']) => {
    const last = subject.last(section, key);
    return last !== undefined && matches(last, pattern);
  },
  // systemd's links lead to the whole path of the service, podman's generator makes relative ones: what counts is where they lead.
  'assert-symlink': ({ outcome }, [link = '', target = '']) =>
    outcome.links.get(link) === target.replace(/^.*\//, ''),
  ...Object.fromEntries(
    Object.entries(COMMANDS).flatMap(([verb, key]) => {
      const name = `assert-podman-${verb === '' ? '' : `${verb}-`}`;
      return [
        [`${name}args`, anywhere(key)],
        [`${name}args-regex`, anywhere(key, matches)],
        [`${name}args-key-val`, keyValues(key)],
        [`${name}final-args`, atEnd(key)],
        [`${name}final-args-regex`, atEnd(key, matches)],
        [`${name}global-args`, globalArguments(key)],
      ];
    }),
  ),
};

function lastContains(
  subject: Subject,
  [section = '', key = '', part = '']: readonly string[],
): boolean {
  return subject.last(section, key)?.includes(part) === true;
}

/** Words as a shell has them: quotes, and '\' outside of single ones. */
function shellWords(line: string): readonly string[] {
  const words: string[] = [];
  for (const [whole] of line.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/g)) {
    words.push(
      whole.replaceAll(
        /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g,
        (_, double?: string, single?: string, escaped?: string) =>
          double?.replaceAll(/\\(.)/g, '$1') ?? single ?? escaped ?? '',
      ),
    );
  }
  return words;
}
