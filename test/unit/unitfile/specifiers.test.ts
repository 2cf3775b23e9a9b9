import { describe, expect, it } from 'vitest';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { expandSpecifiers, specifiersOf } from '../../../src/unitfile/specifiers.ts';

const ALL = '%n|%N|%p|%P|%i|%I|%j|%J|%%';

describe('expandSpecifiers', () => {
  it.for([
    ['hello.service', ALL, 'hello.service|hello|hello|hello|||hello|hello|%'],
    [
      String.raw`a-b\x2dc@x-y.timer`,
      ALL,
      String.raw`a-b\x2dc@x-y.timer|a-b\x2dc@x-y|a-b\x2dc|a/b-c|x-y|x/y|b\x2dc|b-c|%`,
    ],
    ['app@.service', '%p.%j', 'app.app'],
    ['a.service', 'no percent', 'no percent'],
    ['a@1.service', '%%i', '%i'],
    ['a@1.service', '%i%i', '11'],
  ])('in %s: %s is %s', ([name, text, expected]) => {
    const specifiers = specifiersOf(checkUnitName(name!));
    expect(expandSpecifiers(text!, specifiers)).toEqual({ kind: 'ok', text: expected });
  });

  it.for(['%i', '%I', '%n', '%N', 'a%%%i'])('leaves %s of a template alone', (text) => {
    const specifiers = specifiersOf(checkUnitName('app@.service'));
    expect(expandSpecifiers(text, specifiers)).toEqual({ kind: 'deferred' });
  });

  it.for([
    ['a.service', 'ab%z', 2, /'%z' is not known/],
    ['a.service', 'x%', 1, /stands at the end/],
    ['a.service', '%H', 0, /depends on the machine/],
    ['a.service', 'm=%m', 2, /not supported yet/],
    ['app@.service', '%i%q%z', 2, /depends on the machine/],
    [String.raw`a\y@1.service`, '%P', 0, /cannot be unescaped/],
    [String.raw`a@\xff.service`, '.%I', 1, /cannot be unescaped/],
  ] as const)('in %s: reports %s at %i', ([name, text, index, message]) => {
    expect(expandSpecifiers(text, specifiersOf(checkUnitName(name)))).toMatchObject({
      kind: 'problem',
      index,
      message: expect.stringMatching(message),
    });
  });
});
