// Holds names and escaping to what the systemd-escape of this machine does.
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  escapeName,
  escapePath,
  unescapeName,
  unescapePath,
} from '../../../src/unitfile/escape.ts';
import { isTemplate, parseUnitName } from '../../../src/unitfile/name.ts';

const missing = spawnSync('systemd-escape', ['--version']).status !== 0;
if (missing) console.warn('SKIPPED: no systemd-escape on this machine (package systemd)');

/** What it prints, or undefined where it fails. */
function systemdEscape(...args: readonly string[]): string | undefined {
  const { status, stdout } = spawnSync('systemd-escape', args, { encoding: 'utf8' });
  return status === 0 ? stdout.slice(0, -1) : undefined;
}

const texts = fc
  .sample(
    fc.oneof(
      fc.string({
        unit: fc.constantFrom(
          'a',
          'Z',
          '0',
          '/',
          '-',
          '.',
          '\\',
          'x',
          '2',
          'd',
          '@',
          ':',
          '_',
          ' ',
          'é',
          '€',
          '😀',
          '"',
          '%',
          '\n',
        ),
        maxLength: 12,
      }),
      fc.string({ maxLength: 20 }),
    ),
    { seed: 1, numRuns: 400 },
  )
  .filter((text) => !text.includes('\0'));
const distinct = [...new Set(texts)];

describe.skipIf(missing)('systemd-escape', () => {
  it('escapes as escapeName', () => {
    expect(systemdEscape('--', ...distinct)?.split(' ')).toEqual(distinct.map(escapeName));
  });

  it('unescapes as unescapeName what was escaped', () => {
    const escaped = distinct.map(escapeName);
    expect(systemdEscape('--unescape', '--', ...escaped)).toBe(escaped.map(unescapeName).join(' '));
    expect(escaped.map(unescapeName)).toEqual(distinct);
  });

  it('escapes paths as escapePath, and refuses the same', { timeout: 60_000 }, () => {
    const paths = distinct.slice(0, 150).flatMap((text) => [text, `/${text}`]);
    for (const path of paths)
      expect([path, systemdEscape('--path', '--', path)]).toEqual([path, escapePath(path)]);
  });

  it(
    'unescapes what anyone may write as unescapeName and unescapePath',
    { timeout: 60_000 },
    () => {
      const written = [
        ...distinct.slice(0, 120),
        String.raw`\x2`,
        String.raw`\x2F`,
        'a--b',
        '-a',
        'a-..-b',
        '-',
        '..',
        'a-.',
      ];
      for (const text of written) {
        expect([text, systemdEscape('--unescape', '--', text)]).toEqual([text, unescapeName(text)]);
        const path = systemdEscape('--unescape', '--path', '--', text);
        expect([text, path]).toEqual([text, unescapePath(text)]);
      }
    },
  );

  it.for([
    'a@.service',
    'a@b@.service',
    '@.service',
    'a@.foo',
    'a.service',
    '.@.service',
    'ä@.service',
    'a b@.service',
    'a/b@.service',
    String.raw`a\x2d@.service`,
    'a:b_c-d@.slice',
    'a@.snapshot',
    'a.b@.mount',
    'a@1.service',
    'a@.',
    'a@',
    'a@.Service',
    `${'a'.repeat(246)}@.service`,
    `${'a'.repeat(247)}@.service`,
  ])('judges the template name %s as parseUnitName', (text) => {
    const { ok } = parseUnitName(text);
    const { stderr } = spawnSync('systemd-escape', [`--template=${text}`, 'x'], {
      encoding: 'utf8',
    });
    const taken = !stderr.includes('is not valid'); // the instance may still be too long
    expect(ok !== undefined && isTemplate(ok)).toBe(taken);
  });
});
