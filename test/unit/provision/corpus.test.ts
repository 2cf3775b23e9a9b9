// Real cloud-configs, kept beside the project: each is handled, or what of it is not is named as was reviewed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXAMPLE_ADDRESSES } from '../../../src/provision/addresses.ts';
import { plannedFiles } from '../../../src/provision/planned-files.ts';
import { problemText } from '../../../src/provision/problems.ts';
import { readProvisionFile } from '../../../src/provision/read.ts';

const ROOT = join(import.meta.dirname, '../../..');
const CORPUS = join(ROOT, '../shared/corpus/cloud-config');
const missing = !existsSync(CORPUS);
if (missing) console.warn('SKIPPED: no corpus of cloud-configs at ../shared/corpus/cloud-config');

// file, verdict, what is said of it, what it comes to, comment of the review
const rows = readFileSync(join(ROOT, 'test/fixtures/cloud-config-verdicts.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(1)
  .map((line) => {
    const [file = '', verdict = '', said = '', comesTo = '', comment = ''] = line.split('\t');
    return { file, verdict, said, comesTo, comment };
  });

describe.skipIf(missing)('the corpus of cloud-configs', () => {
  it('is the one that was reviewed', () => {
    const files = readdirSync(CORPUS).filter((name) => name !== 'MANIFEST.tsv');
    expect(rows.map(({ file }) => file)).toEqual(files.toSorted());
    for (const { verdict, comment } of rows)
      if (verdict === 'refused') expect(comment).not.toBe('');
  });

  it.for(rows)('$file: $verdict', ({ file, verdict, said, comesTo }) => {
    const text = readFileSync(join(CORPUS, file), 'utf8');
    const { plan, problems } = readProvisionFile(text, {
      addresses: EXAMPLE_ADDRESSES,
      fleetProblem: () => undefined,
    });
    expect(plan === undefined ? 'refused' : 'accepted').toBe(verdict);
    expect(problems.map((problem) => problemText('-', problem)).join(' | ')).toBe(said);
    if (plan === undefined) return;
    const commands = plan.units.flatMap(({ name, command }) => command && `${command} ${name}`);
    const parts = [...plannedFiles(plan).map(({ path }) => path), ...commands.filter(Boolean)];
    expect(parts.join(' ')).toBe(comesTo);
  });
});
