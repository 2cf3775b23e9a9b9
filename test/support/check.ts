// `npm run check`: format, types, lint with layers, dead code and the unit tests, each with its time. Stops at nothing, fails if one fails.
import { spawn } from 'node:child_process';
import path from 'node:path';

type Step = readonly [name: string, command: string, ...args: string[]];

/** They share the processors; what each has to say comes in one piece. */
const together: readonly Step[] = [
  ['format', 'prettier', '--check', '--cache', '--cache-strategy=content', '--log-level=warn', '.'],
  ['types', 'tsc', '-p', '.'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings', '--quiet'],
  ['dead code', 'knip'],
];
/** What a change breaks first; `npm test` has the laws and fleetctl as well. */
const tests: Step = [
  'unit tests',
  'vitest',
  'run',
  '--reporter=default',
  '--maxWorkers=4', // they wait more than they compute
  ...['unit', 'tidy'].flatMap((name) => ['--project', name]),
];

/** What a program of the last run has compiled need not be compiled again. */
const NODE_COMPILE_CACHE = path.resolve('node_modules/.cache/compiled');

/** Runs a step and says how it went; answers whether it is well. */
async function run([name, command, ...args]: Step): Promise<boolean> {
  const begin = performance.now();
  const child = spawn(`node_modules/.bin/${command}`, args, {
    stdio: command === 'vitest' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  process.stdout.write(`${said}check: ${name}: ${status === 0 ? 'ok' : 'FAILED'} (${seconds} s)\n`);
  return status === 0;
}

const begin = performance.now();
const well = await Promise.all(together.map(run));
well.push(await run(tests));
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
process.stdout.write(`check: ${seconds} s in all\n`);
process.exitCode = well.every(Boolean) ? 0 : 1;
