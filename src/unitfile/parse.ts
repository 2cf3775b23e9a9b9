// Text → structure of a unit file, by systemd.syntax(7); or every problem in it, with its place.
// Invariant: an accepted text comes back from formatUnitFile() to the byte; nothing that means something is passed over in silence.
import { UNIT_FILE_MAX_BYTES, UNIT_PROBLEMS_MAX } from '../model/limits.ts';
import type { UnitOption } from '../model/unit.ts';
import type { PhysicalLine } from './lex.ts';
import { isComment, isContinued, leadingSpace, lexLines, skipBlanks, trimSpace } from './lex.ts';
import type { Checked, Problem } from './problem.ts';
import { boundedProblems } from './problem.ts';

/** What stands on one or, where continued, several lines. `raw` is its text with all line ends. */
export type Entry =
  | Readonly<{ kind: 'blank' | 'comment'; line: number; raw: string }>
  | Readonly<{ kind: 'section'; line: number; raw: string; name: string }>
  | OptionEntry;

/** One assignment. `value` is as v1 has it: a continuation keeps its '\' and newline, the ends are trimmed. */
export interface OptionEntry extends UnitOption {
  readonly kind: 'option';
  /** Of the first line. */
  readonly line: number;
  /** Of the name. */
  readonly column: number;
  /** Where the value's first character stands (where it would, if it is empty). */
  readonly valueLine: number;
  readonly valueColumn: number;
  readonly raw: string;
}

/** A unit file, in order, with all that it takes to write the same text again. */
export interface UnitFile {
  /** It begins with a byte order mark. */
  readonly bom: boolean;
  readonly entries: readonly Entry[];
}

const BOM = '\uFEFF';

/** Whose rules say that a line goes on: podman passes over blanks behind the '\' that ends a line of a Quadlet file. */
export type LineRules = 'systemd' | 'podman';

/** Parses a unit file. Problems come in the order of the text. */
export function parseUnitFile(text: string, rules: LineRules = 'systemd'): Checked<UnitFile> {
  const unusable = textProblems(text);
  if (unusable.length > 0) return { problems: boundedProblems(unusable) };
  const bom = text.startsWith(BOM);
  const parser = new Parser(lexLines(bom ? text.slice(1) : text), rules);
  parser.run();
  if (parser.problems.length > 0) return { problems: boundedProblems(parser.problems) };
  return { ok: { bom, entries: parser.entries } };
}

/** The text of strict UTF-8 with its byte order mark kept, or where it stops being that. */
export function decodeUnitBytes(bytes: Uint8Array): Checked<string> {
  if (bytes.length > UNIT_FILE_MAX_BYTES) return { problems: [tooLarge(bytes.length)] };
  const text = decode(bytes, false);
  if (text !== undefined) return { ok: text };
  // A longer piece decodes only if each shorter one does, so the first bad byte is found by halving.
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decode(bytes.subarray(0, middle), true) === undefined) bad = middle;
    else good = middle;
  }
  const before = decode(bytes.subarray(0, good), true) ?? '';
  return {
    problems: [
      {
        ...placeOf(before, before.length),
        message: 'the unit file is not UTF-8 from here on',
        hint: 'Save the file in UTF-8, which is what systemd reads.',
      },
    ],
  };
}

function decode(bytes: Uint8Array, partial: boolean): string | undefined {
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return decoder.decode(bytes, { stream: partial });
  } catch (error) {
    if (error instanceof TypeError) return undefined; // what `fatal` throws
    throw error;
  }
}

/** What no line can be cut from: size, NUL and lone carriage returns (systemd ends a line at both), broken UTF-16. */
function textProblems(text: string): readonly Problem[] {
  const size = Buffer.byteLength(text);
  if (size > UNIT_FILE_MAX_BYTES) return [tooLarge(size)];
  const problems: Problem[] = [];
  // oxlint-disable-next-line no-control-regex -- finding control characters is what this is for
  for (const { index, 0: found } of text.matchAll(/\0|\r(?!\n)/g)) {
    if (problems.length > UNIT_PROBLEMS_MAX) break;
    const what = found === '\0' ? 'a NUL character' : 'a carriage return that ends no line';
    problems.push({
      ...placeOf(text, index),
      message: `the unit file has ${what}`,
      hint: 'Remove it: systemd would take it for the end of the line.',
    });
  }
  if (!text.isWellFormed()) {
    const at = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.exec(text);
    problems.push({
      ...placeOf(text, at?.index ?? 0),
      message: 'the unit file has half of a surrogate pair, which UTF-8 cannot hold',
      hint: 'Remove the character.',
    });
  }
  return problems;
}

function tooLarge(size: number): Problem {
  return {
    line: 1,
    column: 1,
    message: `the unit file has ${size} bytes; at most ${UNIT_FILE_MAX_BYTES} are taken`,
    hint: 'Move what it carries into a file or an image that the unit reads.',
  };
}

function placeOf(text: string, index: number): { line: number; column: number } {
  const before = text.slice(0, index);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: index - lineStart + 1 };
}

class Parser {
  readonly entries: Entry[] = [];
  readonly problems: Problem[] = [];
  readonly #lines: readonly PhysicalLine[];
  #next = 0;
  readonly #rules: LineRules;
  #section: string | undefined;

  constructor(lines: readonly PhysicalLine[], rules: LineRules) {
    this.#lines = lines;
    this.#rules = rules;
  }

  run(): void {
    for (let line = this.#take(); line !== undefined; line = this.#take()) {
      const raw = line.text + line.end;
      if (trimSpace(line.text) === '') this.entries.push({ kind: 'blank', line: line.number, raw });
      else if (isComment(line.text)) this.entries.push({ kind: 'comment', line: line.number, raw });
      else if (line.text[skipBlanks(line.text)] === '[') this.#header(line, raw);
      else this.#option(line);
    }
  }

  #take(): PhysicalLine | undefined {
    const line = this.#lines[this.#next];
    this.#next += 1;
    return line;
  }

  #header(line: PhysicalLine, raw: string): void {
    const column = skipBlanks(line.text) + 1;
    // systemd takes blanks after the header, and no other white space.
    const header = /^\[([^\]]+)\][ \t\r]*$/.exec(line.text.slice(column - 1));
    // Also after a malformed header, so that what follows is not reported as being outside.
    this.#section = header?.[1] ?? '';
    if (header?.[1] !== undefined) {
      this.entries.push({ kind: 'section', line: line.number, raw, name: header[1] });
      return;
    }
    this.problems.push({
      line: line.number,
      column,
      message: `'${shorten(trimSpace(line.text))}' is not a section header`,
      hint: "Write it as '[Name]' on a line of its own.",
    });
  }

  #option(first: PhysicalLine): void {
    const column = skipBlanks(first.text) + 1;
    const equals = first.text.indexOf('=');
    const name = equals === -1 ? '' : trimSpace(first.text.slice(0, equals));
    const { value, raw, at } = this.#value(first, equals + 1);
    const fault = this.#faultOf(first, equals, name);
    if (fault !== undefined) {
      this.problems.push({ line: first.number, column, ...fault });
      return;
    }
    this.entries.push({
      kind: 'option',
      line: first.number,
      column,
      ...at,
      raw,
      section: this.#section ?? '',
      name,
      value,
    });
  }

  #faultOf(
    line: PhysicalLine,
    equals: number,
    name: string,
  ): Pick<Problem, 'message' | 'hint'> | undefined {
    const shown = shorten(trimSpace(line.text));
    if (equals === -1) {
      return {
        message: `'${shown}' is neither a section, an option nor a comment`,
        hint: "Write an option as 'Name=value', begin a comment with '#', and end a line that goes on with '\\'.",
      };
    }
    if (name === '')
      return { message: `'${shown}' has no name before '='`, hint: "Write 'Name=value'." };
    if (/^[#;[]/.test(name))
      return { message: `'${name}' is not the name of an option`, hint: "Write 'Name=value'." };
    if (this.#section === undefined) {
      return {
        message: `the option '${name}' stands before the first section, where systemd ignores it`,
        hint: "Put it below a section such as '[Service]'.",
      };
    }
    return undefined;
  }

  /** Takes the lines that the value goes on in; comments between them are part of it, a blank line ends it. */
  #value(
    first: PhysicalLine,
    from: number,
  ): { value: string; raw: string; at: { valueLine: number; valueColumn: number } } {
    const texts = [first.text.slice(from)];
    let raw = first.text + first.end;
    let blankEnd = false;
    for (let line = first; this.#isOpen(line, texts.length);) {
      const next = this.#take();
      if (next === undefined) {
        blankEnd = !isCommentAt(texts, texts.length - 1);
        break;
      }
      line = next;
      raw += line.text + line.end;
      blankEnd = trimSpace(line.text) === '';
      if (blankEnd) break;
      texts.push(line.text);
    }
    const joined = texts.join('\n');
    const lead = leadingSpace(joined);
    const skipped = joined.slice(0, lead);
    const down = skipped.split('\n').length - 1;
    const column = down === 0 ? from + lead : lead - skipped.lastIndexOf('\n') - 1;
    return {
      // A blank end stays visible, as in go-systemd: written out again, the continuation must end again.
      value: trimSpace(joined) + (blankEnd ? '\n' : ''),
      raw,
      at: { valueLine: first.number + down, valueColumn: column + 1 },
    };
  }

  /** Says whether the value goes on after this line, which is the `count`th of it. */
  #isOpen(line: PhysicalLine, count: number): boolean {
    if (line.end === '') return false;
    if (count > 1 && isComment(line.text)) return true;
    return isContinued(this.#rules === 'podman' ? trimSpace(line.text) : line.text);
  }
}

function isCommentAt(texts: readonly string[], index: number): boolean {
  return index > 0 && isComment(texts[index] ?? '');
}

function shorten(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
