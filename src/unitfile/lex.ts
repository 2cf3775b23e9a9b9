// Physical lines of a unit file, with where they stand and how they end; and the two notions of white space that matter.
// Invariant: the lines' text and ends, joined, are the lexed text.

/** One line as it stands in the file. */
export interface PhysicalLine {
  /** From 1. */
  readonly number: number;
  /** Without its end. */
  readonly text: string;
  /** Empty only for the last line of a text without a final newline. */
  readonly end: '\n' | '\r\n' | '';
}

/** Cuts the text into its lines; the empty rest after a final newline is no line. */
export function lexLines(text: string): readonly PhysicalLine[] {
  const lines: PhysicalLine[] = [];
  let from = 0;
  while (from < text.length) {
    const newline = text.indexOf('\n', from);
    const stop = newline === -1 ? text.length : newline;
    const carriage = newline > from && text.charCodeAt(newline - 1) === 0x0d;
    lines.push({
      number: lines.length + 1,
      text: text.slice(from, carriage ? stop - 1 : stop),
      end: newline === -1 ? '' : carriage ? '\r\n' : '\n',
    });
    from = stop + 1;
  }
  return lines;
}

/** Says whether the line is a comment: '#' or ';' comes first (systemd.syntax(7)). */
export function isComment(line: string): boolean {
  const first = line.charCodeAt(skipBlanks(line));
  return first === 0x23 || first === 0x3b;
}

/** Says whether the line ends in a '\' that is not itself quoted by one: the next line belongs to it. */
export function isContinued(line: string): boolean {
  let backslashes = 0;
  while (line.charCodeAt(line.length - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

/** The index of the first character that is no blank in systemd's sense; the length where there is none. */
export function skipBlanks(line: string): number {
  let at = 0;
  while (at < line.length && (line[at] === ' ' || line[at] === '\t' || line[at] === '\r')) at += 1;
  return at;
}

/** Cuts Unicode white space from both ends as Go's strings.TrimSpace does, which names and values of v1 went through. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(leadingSpace(text, end), end);
}

/** How many characters `trimSpace` cuts from the front. */
export function leadingSpace(text: string, end = text.length): number {
  let at = 0;
  while (at < end && isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

/** Go's unicode.IsSpace; String.trim() has U+FEFF in addition and lacks U+0085. */
function isSpace(code: number): boolean {
  if (code <= 0x20) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  if (code < 0x85) return false;
  if (code === 0x85 || code === 0xa0 || code === 0x1680) return true;
  if (code >= 0x2000 && code <= 0x200a) return true;
  return (
    code === 0x2028 || code === 0x2029 || code === 0x202f || code === 0x205f || code === 0x3000
  );
}
