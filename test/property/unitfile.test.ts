import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { UnitOption } from '../../src/model/unit.ts';
import { escapeName, escapePath, unescapeName, unescapePath } from '../../src/unitfile/escape.ts';
import { formatUnitFile, optionsOf, unitFileFromOptions } from '../../src/unitfile/format.ts';
import { hashOfOptions } from '../../src/unitfile/hash.ts';
import {
  checkUnitName,
  instanceOf,
  parseUnitName,
  templateOf,
  unitNameParts,
} from '../../src/unitfile/name.ts';
import { decodeUnitBytes } from '../../src/unitfile/parse.ts';
import { assertOptionsRoundTrip, checkUnitLaws } from '../support/unit-laws.ts';
import { codePoint } from '../support/code-points.ts';

const NAME = checkUnitName('app@1.service');
const piece = fc.constantFrom(
  '[X-Fleet]',
  '[Service]',
  '[',
  ']',
  'MachineOf=',
  'Conflicts=',
  'MachineMetadata=',
  'Global=',
  'ExecStart=',
  'a',
  '=',
  '%i',
  '%',
  '"',
  "'",
  '\\',
  '\\\n',
  '\n',
  '\r\n',
  '\r',
  ' ',
  '\t',
  '#',
  ';',
  'é',
  '\u00a0',
  '\u0085',
  '\uFEFF',
  '\0',
  '\v',
  'db@.service',
  'a*[b]',
  'k=v',
  '\u2028',
  '😀',
);
const text = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 40 }).map((pieces) => `[X-Fleet]\n${pieces.join('')}`),
  fc.string({ unit: codePoint, maxLength: 60 }),
);
const word = fc.string({
  unit: fc.constantFrom('a', 'B', ' ', '=', '\\', '\n', '#', 'é', '[', ']', '"', '\r', '\u00a0'),
  maxLength: 8,
});
const option: fc.Arbitrary<UnitOption> = fc.record({
  section: fc.constantFrom('Unit', 'X-Fleet', 'Service', '[', 'a b'),
  name: fc.oneof(fc.constantFrom('A', 'Global', 'Conflicts'), word),
  value: word,
});

it('every text keeps the laws: accepted and unchanged, or refused with a place', () => {
  fc.assert(
    fc.property(text, (given) => void checkUnitLaws(given, NAME)),
    { numRuns: 5000 },
  );
});

it('options that can be written come back from the text, trimmed, with the same hash', () => {
  fc.assert(
    fc.property(fc.array(option, { maxLength: 6 }), (options) => {
      const { ok } = unitFileFromOptions(options);
      if (ok !== undefined) assertOptionsRoundTrip(optionsOf(ok));
    }),
    { numRuns: 5000 },
  );
});

it('plain options always can be written, and keep their hash', () => {
  const plain = fc.record({
    section: fc.constantFrom('Unit', 'Service', 'X-Fleet', 'Install'),
    name: fc.constantFrom('A', 'B', 'C'),
    value: fc.string({
      unit: fc.constantFrom('a', '=', '#', '\\', '"', 'é', 'x y', ';'),
      maxLength: 8,
    }),
  });
  fc.assert(
    fc.property(fc.array(plain), (options) => {
      const { ok } = unitFileFromOptions(options);
      expect(hashOfOptions(optionsOf(ok!))).toBe(hashOfOptions(options));
      checkUnitLaws(formatUnitFile(ok!), NAME);
    }),
    { numRuns: 2000 },
  );
});

it('bytes decode to a text of the same bytes, or are refused with a place', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const { ok, problems } = decodeUnitBytes(bytes);
      if (ok === undefined) expect(problems[0]?.line).toBeGreaterThan(0);
      else expect(Buffer.from(ok).equals(bytes)).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

it('a text of Unicode unescapes from its escaped form, which is a valid instance', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), (given) => {
      fc.pre(!given.includes('\0') && given.isWellFormed());
      const escaped = escapeName(given);
      expect(unescapeName(escaped)).toBe(given);
      fc.pre(escaped.length < 200);
      const instance = instanceOf(checkUnitName('app@.service'), escaped);
      expect(unitNameParts(instance).instance).toBe(escaped);
      expect(templateOf(instance)).toBe('app@.service');
    }),
  );
});

it('an escaped path unescapes to the simplest form of it', () => {
  const part = fc.constantFrom('a', 'b-c', '.d', '', '.', '..', 'é');
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const escaped = escapePath(`/${parts.join('/')}`);
      if (parts.includes('..')) expect(escaped).toBeUndefined();
      else
        expect(unescapePath(escaped!)).toBe(
          `/${parts.filter((p) => p !== '' && p !== '.').join('/')}`,
        );
    }),
  );
});

it('parseUnitName judges any text without throwing', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: codePoint }),
        fc.string().map((s) => `${s}.service`),
      ),
      (given) => {
        const { ok, problem } = parseUnitName(given);
        expect(ok ?? problem?.message).not.toBe('');
      },
    ),
  );
});
