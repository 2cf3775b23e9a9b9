// Reads the value of an option: continuations, comments between them, and the quoted words of [X-Fleet].
// Invariant: a word's offset is its place in the value as stored, so that a problem can be shown where it stands.
import { isComment, isContinued } from './lex.ts';

/** One word of a value. */
export interface Word {
  readonly text: string;
  /** Where it stands in the value; of a quoted one, its first character behind the quote. */
  readonly offset: number;
  readonly quoted: boolean;
}

/** A fault at an offset of the value. */
export interface ValueFault {
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** The value as systemd takes it: comments between the lines are gone, and each '\' with its newline is one space. */
export function systemdValue(value: string): string {
  return contentLines(value)
    .filter(({ comment }) => !comment)
    .map(({ text, continued }) => (continued ? `${text.slice(0, -1)} ` : text))
    .join('')
    .trim();
}

/** The words, split at white space; one that begins with a quote goes to the next such quote. */
export function wordsOf(value: string): Readonly<{ words: readonly Word[]; fault?: ValueFault }> {
  const flat = flatten(value);
  const words: Word[] = [];
  let at = 0;
  for (;;) {
    while (at < flat.length && isBlank(flat, at)) at += 1;
    if (at >= flat.length) return { words };
    const quote = flat.charAt(at);
    const quoted = quote === '"' || quote === "'";
    const begin = quoted ? at + 1 : at;
    const end = quoted ? flat.indexOf(quote, begin) : endOfWord(flat, begin);
    if (end === -1) return { words, fault: fault(at, `the quote ${quote} is not closed`) };
    const text = flat.slice(begin, end);
    at = quoted ? end + 1 : end;
    if (quoted ? at < flat.length && !isBlank(flat, at) : text.includes('"')) {
      return { words, fault: fault(begin, `'${text}' has a quote in its middle`) };
    }
    words.push({ text, offset: begin, quoted });
  }
}

function endOfWord(text: string, from: number): number {
  let at = from;
  while (at < text.length && !isBlank(text, at)) at += 1;
  return at;
}

function fault(offset: number, message: string): ValueFault {
  return {
    offset,
    message,
    hint: 'Put quotes round the whole of a value, and a blank between two.',
  };
}

/** Where each offset has the value's own character, or a blank for what continues a line or is a comment. */
function flatten(value: string): string {
  if (!value.includes('\n')) return value;
  return contentLines(value)
    .map(({ text, continued, comment }) => {
      if (comment) return ' '.repeat(text.length);
      return continued ? `${text.slice(0, -1)} ` : text;
    })
    .join(' ');
}

function contentLines(
  value: string,
): readonly Readonly<{ text: string; comment: boolean; continued: boolean }>[] {
  const lines = value.split('\n');
  return lines.map((text, index) => {
    const comment = index > 0 && isComment(text);
    return { text, comment, continued: !comment && index < lines.length - 1 && isContinued(text) };
  });
}

function isBlank(text: string, at: number): boolean {
  return /\s/.test(text.charAt(at));
}
