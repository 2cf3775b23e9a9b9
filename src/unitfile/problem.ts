// What is wrong with a text that a person wrote, and where. Parsers answer all of them, never the first only.

/** One fault. The position is that of the unit file's text and absent where there is no text, as for stored options. */
export interface Problem {
  /** From 1. */
  readonly line?: number;
  /** From 1, in UTF-16 code units of the line. */
  readonly column?: number;
  /** One lowercase line that quotes values in '…'. */
  readonly message: string;
  /** What to do about it: one sentence. */
  readonly hint?: string;
}

/** The value, or every problem found (at least one). */
export type Checked<T> =
  | Readonly<{ ok: T; problems?: undefined }>
  | Readonly<{ ok?: undefined; problems: readonly Problem[] }>;

/** One line for a person: `line 3, column 7: message`. */
export function problemLine(problem: Problem): string {
  const { line, column, message } = problem;
  if (line === undefined) return message;
  return `line ${line}${column === undefined ? '' : `, column ${column}`}: ${message}`;
}
