// Real unit files, kept beside the project: each comes back to the byte and gets the verdict that was reviewed.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFleetOptions } from '../../../src/unitfile/fleet-options.ts';
import { formatUnitFile, optionsOf, unitFileFromOptions } from '../../../src/unitfile/format.ts';
import { hashOfOptions } from '../../../src/unitfile/hash.ts';
import { checkUnitName } from '../../../src/unitfile/name.ts';
import { decodeUnitBytes, parseUnitFile } from '../../../src/unitfile/parse.ts';
import { problemLine } from '../../../src/unitfile/problem.ts';

const ROOT = join(import.meta.dirname, '../../..');
const CORPUS = join(ROOT, '../shared/corpus/units');
const missing = !existsSync(CORPUS);
if (missing) console.warn('SKIPPED: no corpus of real units at ../shared/corpus/units');

// path, verdict, reason, HASH (of an implementation of go-systemd's rules apart from this one), comment of the review
const table = new Map(
  readFileSync(join(ROOT, 'test/fixtures/corpus-verdicts.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [path = '', verdict = '', reason = '', hash = '', comment = ''] = line.split('\t');
      return [path, { verdict, reason, hash, comment }];
    }),
);

function parsed(path: string) {
  const bytes = readFileSync(join(CORPUS, path));
  const text = decodeUnitBytes(bytes).ok!;
  return { bytes, file: parseUnitFile(text).ok! };
}

describe.skipIf(missing)('the corpus of real units', () => {
  const paths = missing ? [] : globSync('*/*', { cwd: CORPUS }).sort();

  it('is the one that was reviewed', () => {
    expect(paths).toEqual([...table.keys()]);
    for (const { verdict, comment } of table.values())
      expect(verdict === 'accepted' || comment !== '').toBe(true);
  });

  it.for(paths)('%s comes back to the byte, with its HASH and verdict', (path) => {
    const { bytes, file } = parsed(path);
    expect(Buffer.from(formatUnitFile(file)).equals(bytes)).toBe(true);
    const hash = hashOfOptions(optionsOf(file));
    expect(hash).toBe(table.get(path)?.hash);
    expect(hashOfOptions(optionsOf(unitFileFromOptions(optionsOf(file)).ok!))).toBe(hash);
    const name = checkUnitName(path.slice(path.search(/[^~/]*$/)));
    const { problems } = checkFleetOptions(name, file);
    const { verdict, reason } = table.get(path) ?? {};
    expect(problems?.map(problemLine).join('; ') ?? '').toBe(reason);
    expect(problems === undefined ? 'accepted' : 'refused').toBe(verdict);
  });
});
