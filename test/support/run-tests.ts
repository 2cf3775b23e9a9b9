// `npm test`: installs what the tests need, says so, runs every suite and sums them up. With --full the long suites too.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FULL } from './of-each-kind.ts';
import { installTestTools } from './test-tools.ts';

/** One run of vitest; its suites share the processors. */
interface Run {
  readonly suites: readonly string[];
  /** Takes only what the run beside it leaves of the processors; what it says comes when it is over. */
  readonly isIdle?: boolean;
}

const isFull = process.argv.includes('--full');

/** Stages come one after the other; the runs of a stage go side by side. The contract waits more than it computes, the simulation never waits. */
const stages: readonly (readonly Run[])[] = [
  [{ suites: ['unit', 'property', 'cli', 'tidy'] }],
  [{ suites: ['contract'] }, { suites: ['sim'], isIdle: true }],
  [{ suites: ['real'] }],
  ...(isFull ? [[{ suites: ['full'] }]] : []),
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
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

installTestTools();
const folder = mkdtempSync(join(tmpdir(), 'fleet-test-'));
let [passed, failed, skipped] = [0, 0, 0];
const failures: string[] = [];

/** Runs it and adds up what it counts. */
async function run({ suites, isIdle = false }: Run): Promise<void> {
  const name = suites.join(', ');
  const report = join(folder, `${suites[0]}.json`);
  const command = [
    ...(isIdle ? ['chrt', '--idle', '0'] : []),
    'node_modules/.bin/vitest',
    'run',
    ...suites.flatMap((suite) => ['--project', suite]),
    ...(suites.length > 1 ? ['--maxWorkers=4'] : []), // they wait more than they compute
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  if (!isIdle) process.stdout.write(`\n== ${name}\n`);
  const child = spawn(command[0]!, command.slice(1), {
    stdio: isIdle ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    env: { ...process.env, ...(isFull ? { [FULL]: '1' } : {}) },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  if (isIdle) process.stdout.write(`\n== ${name}\n${said}`);
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
      if (test.status === 'failed') {
        const why = (test.failureMessages[0] ?? '').split('\n', 3).join(' ');
        failures.push(`failed: ${name}: ${test.fullName}: ${why}\n`);
      } else if (test.status === 'skipped' || test.status === 'pending')
        process.stdout.write(`skipped: ${test.fullName}\n`);
}

for (const stage of stages) await Promise.all(stage.map(run));
rmSync(folder, { recursive: true });
process.stdout.write(failures.join(''));
process.stdout.write(`\n${passed} passed, ${failed} failed, ${skipped} skipped\n`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
