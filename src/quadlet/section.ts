// Reads one section of a Quadlet file as podman's generator does: the last value of a key, all of them, its words.
// Invariant: pure reading; what is wrong with a value is for the converter to say, at the place that comes with it.
import type { OptionEntry, UnitFile } from '../unitfile/parse.ts';
import type { Place } from '../unitfile/fleet-rules.ts';
import { isComment, isContinued } from '../unitfile/lex.ts';

/** One `Key=value` of the section. */
export interface Assignment {
  readonly key: string;
  /** With its lines joined; blanks at the ends are gone. */
  readonly value: string;
  /** Where the value stands. */
  readonly at: Place;
  /** Where the key stands. */
  readonly keyAt: Place;
}

/** The assignments of the section, wherever in the file its parts stand. */
export class SectionReader {
  readonly assignments: readonly Assignment[];

  constructor(file: UnitFile | undefined, section: string) {
    this.assignments = (file?.entries ?? [])
      .filter((entry) => entry.kind === 'option')
      .filter((entry) => entry.section === section)
      .map(assignmentOf);
  }

  /** The last assignment of the key. */
  last(key: string): Assignment | undefined {
    return this.assignments.findLast((assignment) => assignment.key === key);
  }

  /** The last value, without the double quotes round the whole of it. */
  text(key: string): string | undefined {
    const value = this.last(key)?.value;
    return value?.replace(/^"(.*)"$/s, '$1');
  }

  /** All assignments since the last empty one, which takes back what was before. */
  all(key: string): readonly Assignment[] {
    const found = this.assignments.filter((assignment) => assignment.key === key);
    const reset = found.findLastIndex(({ value }) => value === '');
    return found.slice(reset + 1);
  }

  /** The last value as a boolean; what is none of the words for true is false, as podman has it. */
  boolean(key: string): boolean | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : /^(?:1|yes|true|on)$/i.test(text);
  }
}

function assignmentOf(entry: OptionEntry): Assignment {
  return {
    key: entry.name,
    value: joinLines(entry.value),
    at: { line: entry.valueLine, column: entry.valueColumn },
    keyAt: { line: entry.line, column: entry.column },
  };
}

/** A value's lines as podman joins them: blanks at their ends, the '\' and comments between them are left out. */
export function joinLines(value: string): string {
  return value
    .split('\n')
    .map((line) => line.trim())
    .filter((line, index) => index === 0 || !isComment(line))
    .map((line) => (isContinued(line) ? line.slice(0, -1) : line))
    .join('')
    .trim();
}
