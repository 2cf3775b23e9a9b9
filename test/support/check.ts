// `npm run check`: format, types, lint with layers, dead code and the fast tests, each with its time. Stops at nothing, fails if one fails.
import { spawnSync } from 'node:child_process';

const steps: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['format', 'prettier', '--check', '--log-level', 'warn', '.'],
  ['types', 'tsc', '-p', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings', '--quiet'],
  ['dead code', 'knip'],
  [
    'fast tests',
    'vitest',
    'run',
    '--reporter=default',
    '--maxWorkers=4', // they wait more than they compute
    ...projects('unit', 'property', 'cli', 'tidy'),
  ],
];

function projects(...names: readonly string[]): string[] {
  return names.flatMap((name) => ['--project', name]);
}

let failed = 0;
for (const [name, command, ...args] of steps) {
  const begin = performance.now();
  const { status, error } = spawnSync(`node_modules/.bin/${command}`, args, { stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) failed++;
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  process.stdout.write(`check: ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
