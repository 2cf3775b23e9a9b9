import { describe, expect, it } from 'vitest';
import { UNIT_FILE_MAX_BYTES, UNIT_LINE_MAX_BYTES } from '../../../src/model/limits.ts';
import { formatUnitFile, optionsOf } from '../../../src/unitfile/format.ts';
import { decodeUnitBytes, parseUnitFile } from '../../../src/unitfile/parse.ts';
import { problemLine } from '../../../src/unitfile/problem.ts';

/** `Section.Name=value` of each option, or the problems as lines. */
function outline(text: string): readonly string[] {
  const { ok, problems } = parseUnitFile(text);
  if (ok === undefined) return problems.map(problemLine);
  expect(formatUnitFile(ok)).toBe(text);
  return optionsOf(ok).map(({ section, name, value }) => `${section}.${name}=${value}`);
}

describe('parseUnitFile', () => {
  it.for([
    { name: 'takes an empty text', text: '', then: [] },
    { name: 'takes a section alone', text: '[Unit]', then: [] },
    {
      name: 'keeps repeated options in order',
      text: '[S]\nA=1\nA=2\nB=3\nA=4\n',
      then: ['S.A=1', 'S.A=2', 'S.B=3', 'S.A=4'],
    },
    {
      name: 'keeps repeated sections apart',
      text: '[S]\nA=1\n[T]\nB=2\n[S]\nC=3',
      then: ['S.A=1', 'T.B=2', 'S.C=3'],
    },
    { name: 'keeps an empty assignment', text: '[S]\nA=\nB=  \n', then: ['S.A=', 'S.B='] },
    { name: 'trims names and values', text: '[S]\n  A \t= x y \t\n', then: ['S.A=x y'] },
    { name: 'keeps further equals signs', text: '[S]\nA=b=c==\n', then: ['S.A=b=c=='] },
    {
      name: 'passes over comments and blank lines',
      text: '# c\n; d\n\n[S]\n  # e=1 \\\nA=1 # no comment\n',
      then: ['S.A=1 # no comment'],
    },
    {
      name: 'joins continued lines',
      text: '[S]\nA=1 \\\n  2 \\\n  3\nB=4\n',
      then: ['S.A=1 \\\n  2 \\\n  3', 'S.B=4'],
    },
    {
      name: 'goes on behind comments between continued lines',
      text: '[S]\nA=1 \\\n# c \\\n ; d\n  2\nB=4\n',
      then: ['S.A=1 \\\n# c \\\n ; d\n  2', 'S.B=4'],
    },
    {
      name: 'ends a continuation at a blank line',
      text: '[S]\nA=1 \\\n\nB=2\n',
      then: ['S.A=1 \\\n', 'S.B=2'],
    },
    {
      name: 'ends a continuation at the end of the text',
      text: '[S]\nA=1 \\\n',
      then: ['S.A=1 \\\n'],
    },
    { name: 'takes a backslash as the last character', text: '[S]\nA=1 \\', then: ['S.A=1 \\'] },
    {
      name: 'does not continue a quoted backslash',
      text: '[S]\nA=1\\\\\nB=2\n',
      then: ['S.A=1\\\\', 'S.B=2'],
    },
    {
      name: 'does not continue a backslash and a blank',
      text: '[S]\nA=1\\ \nB=2\n',
      then: ['S.A=1\\', 'S.B=2'],
    },
    {
      name: 'takes a section header inside a continuation as its text',
      text: '[S]\nA=1 \\\n[T]\nB=2\n',
      then: ['S.A=1 \\\n[T]', 'S.B=2'],
    },
    {
      name: 'keeps CRLF, and leaves CR out of values',
      text: '[S]\r\nA=1 \\\r\n 2\r\n\r\nB=3',
      then: ['S.A=1 \\\n 2', 'S.B=3'],
    },
    { name: 'keeps a byte order mark', text: '\uFEFF[S]\nA=1\n', then: ['S.A=1'] },
    {
      name: 'keeps foreign sections and keys',
      text: '[X-Foo]\nExecstartPre=-/bin/x\n[ odd name ]\nÄ=ö\n',
      then: ['X-Foo.ExecstartPre=-/bin/x', ' odd name .Ä=ö'],
    },
    {
      name: 'refuses an option before the first section',
      text: 'A=1\n[S]\n',
      then: [
        "line 1, column 1: the option 'A' stands before the first section, where systemd ignores it",
      ],
    },
    {
      name: 'refuses a line that is nothing',
      text: '[S]\nA=1\n  <<<<\n',
      then: ["line 3, column 3: '<<<<' is neither a section, an option nor a comment"],
    },
    {
      name: 'refuses an option without a name',
      text: '[S]\n=1\n',
      then: ["line 2, column 1: '=1' has no name before '='"],
    },
    {
      name: 'refuses text behind a section header',
      text: '[S] x\nA=1\n',
      then: ["line 1, column 1: '[S] x' is not a section header"],
    },
    {
      name: 'refuses an unclosed section header',
      text: '[S\nA=1\n',
      then: ["line 1, column 1: '[S' is not a section header"],
    },
    {
      name: 'refuses an empty section name',
      text: '[]\n',
      then: ["line 1, column 1: '[]' is not a section header"],
    },
    {
      name: 'refuses NUL',
      text: '[S]\nA=a\0b\n',
      then: ['line 2, column 4: the unit file has a NUL character'],
    },
    {
      name: 'refuses a lone carriage return',
      text: '[S]\nA=a\rB=b\r',
      then: [
        'line 2, column 4: the unit file has a carriage return that ends no line',
        'line 2, column 8: the unit file has a carriage return that ends no line',
      ],
    },
    {
      name: 'refuses half a surrogate pair',
      text: '[S]\nA=\uD800\n',
      then: [
        'line 2, column 3: the unit file has half of a surrogate pair, which UTF-8 cannot hold',
      ],
    },
    {
      name: 'refuses a second byte order mark',
      text: '\uFEFF\uFEFF[S]\n',
      then: ["line 1, column 1: '\uFEFF[S]' is neither a section, an option nor a comment"],
    },
    {
      name: 'reports all problems',
      text: 'x\n[S]\ny\nA=1 \\\nz\n[T\n',
      then: [
        "line 1, column 1: 'x' is neither a section, an option nor a comment",
        "line 3, column 1: 'y' is neither a section, an option nor a comment",
        "line 6, column 1: '[T' is not a section header",
      ],
    },
  ])('$name', ({ text, then }) => {
    expect(outline(text)).toEqual(then);
  });

  it('says where each option, its name and its value stand', () => {
    const { ok } = parseUnitFile('[S]\n\n  A = 1 \\\n 2\nB=\\\n  x\nC=\n');
    const places = ok?.entries.flatMap((entry) =>
      entry.kind === 'option'
        ? [[entry.line, entry.column, entry.valueLine, entry.valueColumn]]
        : [],
    );
    expect(places).toEqual([
      [3, 3, 3, 7],
      [5, 1, 5, 3],
      [7, 1, 7, 3],
    ]);
  });

  it('takes a line as long as the file may be, and no file beyond that', () => {
    expect(UNIT_FILE_MAX_BYTES).toBeLessThan(UNIT_LINE_MAX_BYTES);
    const text = `[S]\nA=${'x'.repeat(UNIT_FILE_MAX_BYTES - 6)}`;
    expect(parseUnitFile(text).problems).toBeUndefined();
    expect(parseUnitFile(`${text}\n`).problems?.[0]?.message).toMatch(/262145 bytes/);
  });
});

describe('decodeUnitBytes', () => {
  it('keeps a byte order mark', () => {
    expect(decodeUnitBytes(Uint8Array.of(0xef, 0xbb, 0xbf, 0x5b))).toEqual({ ok: '\uFEFF[' });
  });

  it.for([
    {
      name: 'a stray continuation byte',
      bytes: [0x41, 0x0a, 0x42, 0x80, 0x43],
      line: 2,
      column: 2,
    },
    { name: 'an overlong form', bytes: [0xc0, 0xaf], line: 1, column: 1 },
    { name: 'a surrogate', bytes: [0x41, 0xed, 0xa0, 0x80], line: 1, column: 2 },
    { name: 'an unfinished sequence at the end', bytes: [0x41, 0x42, 0xc3], line: 1, column: 3 },
    { name: 'Latin-1', bytes: [0x5b, 0x0a, 0xc3, 0xa4, 0xe4, 0x0a], line: 2, column: 2 },
  ])('refuses $name with its place', ({ bytes, line, column }) => {
    expect(decodeUnitBytes(Uint8Array.from(bytes)).problems).toMatchObject([{ line, column }]);
  });

  it('refuses more bytes than a unit file may have', () => {
    const { problems } = decodeUnitBytes(new Uint8Array(UNIT_FILE_MAX_BYTES + 1));
    expect(problems).toMatchObject([{ line: 1, column: 1 }]);
  });
});
