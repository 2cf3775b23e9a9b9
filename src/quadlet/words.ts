// Splits values into words as systemd.syntax(7) and systemd.service(5) have them, and writes words as a command line.
// Invariant: splitting a written command line gives the words back.

/** Words of a value, or where a quote is left open (an offset in the value). */
export type Words =
  | Readonly<{ words: readonly string[]; openQuote?: undefined }>
  | Readonly<{ words?: undefined; openQuote: number }>;

/** Splits at white space; quotes hold words together. `unescape` reads C escapes, as in command lines; else '\' stays. */
export function splitWords(value: string, escapes: 'unescape' | 'retain'): Words {
  const words: string[] = [];
  let word: string | undefined;
  let quote: Readonly<{ mark: string; at: number }> | undefined;
  for (let at = 0; at < value.length;) {
    const char = value.charAt(at);
    if (char === '\\') {
      if (
        escapes === 'unescape' &&
        word === undefined &&
        /^\\;(?=[ \t\n\r]|$)/.test(value.slice(at, at + 3))
      ) {
        words.push(';'); // systemd.service(5): a semicolon that separates no commands
        at += 2;
        continue;
      }
      const { text, length } =
        escapes === 'unescape'
          ? unescapeAt(value, at)
          : { text: value.slice(at, at + 2), length: 2 };
      word = (word ?? '') + text;
      at += length;
      continue;
    }
    if (quote !== undefined) {
      if (char === quote.mark) quote = undefined;
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = { mark: char, at };
      word ??= '';
    } else if (/[ \t\n\r]/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + char;
    }
    at += 1;
  }
  if (quote !== undefined) return { openQuote: quote.at };
  return { words: word === undefined ? words : [...words, word] };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  s: ' ',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

/** What the escape at `at` stands for; one that is none stays as it is written (EXTRACT_CUNESCAPE_RELAX of systemd). */
function unescapeAt(value: string, at: number): Readonly<{ text: string; length: number }> {
  const simple = SIMPLE[value.charAt(at + 1)];
  if (simple !== undefined) return { text: simple, length: 2 };
  const run = numericBytes(value, at);
  if (run !== undefined) return run;
  const wide = /^\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(value.slice(at, at + 10));
  const point = Number.parseInt(wide?.[1] ?? wide?.[2] ?? '', 16);
  if (wide !== null && point > 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff))
    return { text: String.fromCodePoint(point), length: wide[0].length };
  return { text: '\\', length: 1 };
}

/** Escapes of bytes that follow each other are one text: `\303\244` is one letter. */
function numericBytes(
  value: string,
  from: number,
): Readonly<{ text: string; length: number }> | undefined {
  const bytes: number[] = [];
  let at = from;
  for (;;) {
    const escape = /^\\(?:x([0-9A-Fa-f]{2})|([0-3][0-7]{2}))/.exec(value.slice(at, at + 4));
    const byte =
      escape?.[1] === undefined
        ? Number.parseInt(escape?.[2] ?? '', 8)
        : Number.parseInt(escape[1], 16);
    if (escape === null || byte === 0) break; // NUL ends a string in C: systemd refuses it
    bytes.push(byte);
    at += 4;
  }
  if (bytes.length === 0) return undefined;
  return { text: Buffer.from(bytes).toString('utf8'), length: at - from };
}

/** Words as one line of `ExecStart=`; '%' and '$' keep their meaning to systemd. */
export function commandLine(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/** One word as it stands in a list of words of a unit file. */
export function quoteWord(word: string): string {
  if (word === ';') return String.raw`\;`; // alone it would end the command
  // oxlint-disable-next-line no-control-regex -- control characters are what must be written as escapes
  if (word !== '' && !/[\s"'\\\u0000-\u001f\u007f]/.test(word)) return word;
  // oxlint-disable-next-line no-control-regex -- as above
  return `"${word.replaceAll(/["\\\u0000-\u001f\u007f]/g, escapeChar)}"`;
}

function escapeChar(char: string): string {
  if (char === '"' || char === '\\') return `\\${char}`;
  if (char === '\n') return String.raw`\n`;
  if (char === '\t') return String.raw`\t`;
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
