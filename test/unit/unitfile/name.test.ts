import { describe, expect, it } from 'vitest';
import {
  checkUnitName,
  instanceOf,
  isTemplate,
  parseUnitName,
  templateOf,
  UNIT_TYPES,
  unitNameParts,
  unitNameWithDefaultSuffix,
} from '../../../src/unitfile/name.ts';

describe('parseUnitName', () => {
  it.for([
    'hello.service',
    'app@.service',
    'app@1.service',
    'app@a@b.service',
    'a.b.c.timer',
    '.hidden.mount',
    '-.mount',
    String.raw`dev-disk-by\x2duuid.swap`,
    'A:b_c-0.socket',
    `${'a'.repeat(247)}.service`,
    ...UNIT_TYPES.map((type) => `x.${type}`),
  ])('takes %s', (text) => {
    expect(parseUnitName(text)).toEqual({ ok: text });
  });

  it.for([
    { text: '', why: /it is empty/ },
    { text: 'hello', why: /it has no type/ },
    { text: 'hello.', why: /'' is not a unit type/ },
    { text: 'hello.conf', why: /'conf' is not a unit type/ },
    { text: 'hello.Service', why: /'Service' is not a unit type/ },
    { text: 'hello.snapshot', why: /'snapshot' is not a unit type/ },
    { text: '.service', why: /nothing stands before its type/ },
    { text: '@.service', why: /begins with '@'/ },
    { text: '@1.service', why: /begins with '@'/ },
    { text: 'a b.service', why: /the character ' '/ },
    { text: 'a/b.service', why: /the character '\/'/ },
    { text: 'a\0.service', why: /the character/ },
    { text: 'é.service', why: /the character 'é'/ },
    { text: '😀.service', why: /the character '😀'/ },
    { text: 'a*.service', why: /the character '\*'/ },
    { text: '%p.service', why: /the character '%'/ },
    { text: `${'a'.repeat(248)}.service`, why: /it has 256 bytes/ },
  ])("refuses '$text'", ({ text, why }) => {
    expect(parseUnitName(text).problem?.message).toMatch(why);
  });
});

it('checkUnitName throws UNIT_NAME_INVALID with a hint', () => {
  expect(checkUnitName('a.service')).toBe('a.service');
  expect(() => checkUnitName('a')).toThrow(
    expect.objectContaining({
      code: 'UNIT_NAME_INVALID',
      hint: expect.stringMatching(/\.service/),
    }),
  );
});

it.for([
  ['hello.service', 'hello', undefined, 'service'],
  ['app@.timer', 'app', '', 'timer'],
  ['app@1.2.service', 'app', '1.2', 'service'],
  ['a.b@c@d.socket', 'a.b', 'c@d', 'socket'],
] as const)('unitNameParts of %s', ([name, prefix, instance, type]) => {
  expect(unitNameParts(checkUnitName(name))).toEqual({ prefix, instance, type });
});

it('templateOf and instanceOf are each other’s way back', () => {
  const template = checkUnitName('app@.service');
  const instance = instanceOf(template, 'a@b');
  expect(instance).toBe('app@a@b.service');
  expect(templateOf(instance)).toBe(template);
  expect([isTemplate(template), isTemplate(instance)]).toEqual([true, false]);
  expect(templateOf(template)).toBeUndefined();
  expect(templateOf(checkUnitName('app.service'))).toBeUndefined();
});

it.for([
  ['app.service', '1', /is not a template/],
  ['app@1.service', '2', /is not a template/],
  ['app@.service', '', /must have a name/],
  ['app@.service', 'a b', /the character ' '/],
] as const)('instanceOf refuses %s with the instance "%s"', ([name, instance, why]) => {
  expect(() => instanceOf(checkUnitName(name), instance)).toThrow(why);
});

it.for([
  ['hello', 'hello.service'],
  ['hello.service', 'hello.service'],
  ['hello.timer', 'hello.timer'],
  ['hello.world', 'hello.world.service'],
  ['app@1', 'app@1.service'],
])('unitNameWithDefaultSuffix of %s is %s', ([given, expected]) => {
  expect(unitNameWithDefaultSuffix(given!)).toBe(expected);
});
