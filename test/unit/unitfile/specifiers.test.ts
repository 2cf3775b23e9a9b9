import assert from 'node:assert/strict';
import { describe, expect, it } from 'vitest';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import {
  expandForMachine,
  expandSpecifiers,
  specifiersOf,
} from '../../../src/unitfile/specifiers.ts';

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
    ['a.service', '%H%b', 2, /'%b' is not known/],
    ['app@.service', '%i%q%z', 2, /'%q' is not known/],
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

describe('expandForMachine', () => {
  const machine = { id: '0123456789abcdef0123456789abcdef', hostname: 'web-1.example' };

  it.for([
    ['%H', 'web-1.example'],
    ['%l', 'web-1'],
    ['%m', machine.id],
    ['%p@%l%%H.%j', 'a@web-1%H.a'],
    ['%%%H%%', '%web-1.example%'],
  ] as const)('completes %s to %s', ([text, expected]) => {
    const expansion = expandSpecifiers(text, specifiersOf(checkUnitName('a.service')));
    assert(expansion.kind === 'machine');
    expect(expandForMachine(expansion.text, machine)).toBe(expected);
  });

  it('leaves a text whole that needs an instance too', () => {
    const specifiers = specifiersOf(checkUnitName('app@.service'));
    expect(expandSpecifiers('%i-%H', specifiers)).toEqual({ kind: 'deferred' });
  });

  it('quotes what it puts in', () => {
    expect(expandForMachine('*%H%%', machine, (value) => `<${value}>`)).toBe('*<web-1.example>%');
  });
});
