import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileGlob, globProblem } from '../../../src/unitfile/glob.ts';

// Rows as Go's path.Match answers them.
describe('compileGlob', () => {
  it.for([
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['*', 'abc', true],
    ['*c', 'abc', true],
    ['a*', 'ab/c', false],
    ['a*/b', 'abc/b', true],
    ['a*/b', 'a/c/b', false],
    ['a*b*c*d*e*', 'axbxcxdxexxx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzx', true],
    ['a*b?c*x', 'abxbbxdbxebxczzy', false],
    ['a?b', 'a/b', false],
    ['a?b', 'aäb', true],
    ['a?b', 'a😀b', true],
    ['ab[c]', 'abc', true],
    ['ab[b-d]', 'abc', true],
    ['ab[e-g]', 'abc', false],
    ['ab[^c]', 'abc', false],
    ['ab[^e-g]', 'abc', true],
    ['a[^a]b', 'a/b', true],
    [String.raw`a\*b`, 'a*b', true],
    [String.raw`a\*b`, 'aab', false],
    [String.raw`[\]a]`, ']', true],
    [String.raw`[\-x]`, '-', true],
    ['conflict.*.service', 'conflict.1.service', true],
    ['web@*.service', 'web@a.b.service', true],
    ['mesos-slave*', 'mesos-slave@1.service', true],
    ['**a**', 'bab', true],
    ['[-]', '-', undefined],
    ['[a-]', 'a', undefined],
    ['[]a]', 'a', undefined],
    ['[', 'a', undefined],
    ['[^', 'a', undefined],
    ['[a', 'a', undefined],
    ['a[', 'ab', undefined],
    ['a\\', 'a', undefined],
  ] as const)("'%s' on '%s': %s", ([pattern, text, expected]) => {
    if (expected === undefined) {
      expect(globProblem(pattern)).toBeDefined();
      expect(() => compileGlob(pattern)).toThrow(
        expect.objectContaining({ code: 'UNIT_FILE_INVALID' }),
      );
      return;
    }
    expect(globProblem(pattern)).toBeUndefined();
    expect(compileGlob(pattern)(text)).toBe(expected);
  });

  it('agrees with the plainest matcher there is', () => {
    const plain = (pattern: string, text: string): boolean => {
      const [head = '', rest] = [pattern[0], pattern.slice(1)];
      if (pattern === '') return text === '';
      if (head === '*')
        return (
          plain(rest, text) || (text !== '' && text[0] !== '/' && plain(pattern, text.slice(1)))
        );
      return (
        text !== '' &&
        ((head === '?' && text[0] !== '/') || head === text[0]) &&
        plain(rest, text.slice(1))
      );
    };
    const some = (chars: string) =>
      fc.string({ unit: fc.constantFrom(...chars.split('')), maxLength: 9 });
    fc.assert(
      fc.property(some('ab*?/'), some('ab/'), (pattern, text) => {
        expect(compileGlob(pattern)(text)).toBe(plain(pattern, text));
      }),
      { numRuns: 3000 },
    );
  });

  it('stays within pattern × text steps on what makes backtracking explode', () => {
    const matches = compileGlob(`${'*a'.repeat(250)}b`);
    const started = performance.now();
    expect(matches('a'.repeat(5000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
