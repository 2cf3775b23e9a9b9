// `npm test`: installs what the tests need, says so, runs every suite and sums them up. With --full the long suites too.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installTestTools } from './test-tools.ts';

/** Run one after the other; those of a group share the processors. */
const groups: readonly (readonly string[])[] = [
  ['unit', 'property', 'cli', 'tidy'],
  ['sim'],
  ['contract'],
  ['real'],
  ...(process.argv.includes('--full') ? [['full']] : []),
];

interface Counts {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly numPendingTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

installTestTools();
const folder = mkdtempSync(join(tmpdir(), 'fleet-test-'));
let [passed, failed, skipped] = [0, 0, 0];
const failures: string[] = [];
for (const suites of groups) {
  const name = suites.join(', ');
  const report = join(folder, `${suites[0]}.json`);
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(
    'node_modules/.bin/vitest',
    [
      'run',
      ...suites.flatMap((suite) => ['--project', suite]),
      ...(suites.length > 1 ? ['--maxWorkers=4'] : []), // they wait more than they compute
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { stdio: 'inherit' },
  );
  const counts = JSON.parse(readFileSync(report, 'utf8')) as Counts;
  passed += counts.numPassedTests;
  skipped += counts.numPendingTests;
  // A file that fails to load has no tests to count; nor has a run that died.
  const broken = counts.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
  ).length;
  failed += counts.numFailedTests + broken;
  if (status !== 0 && counts.numFailedTests + broken === 0) failed++;
  for (const file of counts.testResults)
    for (const test of file.assertionResults)
      if (test.status === 'failed') failures.push(`failed: ${name}: ${test.fullName}\n`);
      else if (test.status === 'skipped' || test.status === 'pending')
        process.stdout.write(`skipped: ${test.fullName}\n`);
}
rmSync(folder, { recursive: true });
process.stdout.write(failures.join(''));
process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
