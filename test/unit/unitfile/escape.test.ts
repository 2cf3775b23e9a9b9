import { describe, expect, it } from 'vitest';
import {
  escapeName,
  escapePath,
  unescapeName,
  unescapePath,
} from '../../../src/unitfile/escape.ts';

describe('escapeName and unescapeName', () => {
  it.for([
    ['', ''],
    ['a/b', 'a-b'],
    ['a-b', String.raw`a\x2db`],
    ['.a.b', String.raw`\x2ea.b`],
    ['/a//b/', '-a--b-'],
    ['é €', String.raw`\xc3\xa9\x20\xe2\x82\xac`],
    [String.raw`a\b`, String.raw`a\x5cb`],
    ['A:z_9@', String.raw`A:z_9\x40`],
  ])('%j ⇄ %s', ([text, escaped]) => {
    expect(escapeName(text!)).toBe(escaped);
    expect(unescapeName(escaped!)).toBe(text);
  });

  it.for([String.raw`\x2`, String.raw`\y`, 'a\\', String.raw`\xff`, String.raw`\x00`])(
    'unescapeName refuses %s',
    (escaped) => {
      expect(unescapeName(escaped)).toBeUndefined();
    },
  );
});

describe('escapePath and unescapePath', () => {
  it.for([
    ['/', '-', '/'],
    ['', '-', '/'],
    ['/foo//bar/', 'foo-bar', '/foo/bar'],
    ['/a/./b', 'a-b', '/a/b'],
    ['./a', 'a', '/a'],
    ['/.a/b-c', String.raw`\x2ea-b\x2dc`, '/.a/b-c'],
  ])('%j → %s → %s', ([path, escaped, back]) => {
    expect(escapePath(path!)).toBe(escaped);
    expect(unescapePath(escaped!)).toBe(back);
  });

  it.for(['.', './', '..', 'a/../b', 'a\0'])('escapePath refuses %j', (path) => {
    expect(escapePath(path)).toBeUndefined();
  });

  it.for(['', '-a', 'a-', 'a--b', '..', 'a-..-b', String.raw`\x2f`, String.raw`\x2`])(
    'unescapePath refuses %j',
    (escaped) => {
      expect(unescapePath(escaped)).toBeUndefined();
    },
  );
});
