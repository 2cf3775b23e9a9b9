// npm run sim: the simulation by hand. --seeds A..B runs a range on all cores, --seed N tells one, --mutants plants faults.
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { mutants } from './mutants.ts';
import { END_MS, planOf, type Plan } from './plan.ts';
import { shrink } from './shrink.ts';
import { runPlan } from './world.ts';

const USAGE = `usage: npm run sim -- --seeds A..B    run a range, and note it in test/sim/results.jsonl
       npm run sim -- --seed N        tell one; with --shrink, cut down to what it needs to fail
       npm run sim -- --mutants       plant faults one by one: each must be found within 300 seeds`;
const RESULTS = new URL('results.jsonl', import.meta.url);
const PROCESS = new URL('seeds-process.ts', import.meta.url).pathname;
/** seeds that one process runs before another takes its place. */
const CHUNK = 100;
const MUTANT_SEEDS = 300;
/** seconds of one process; a simulation that never ends must not hold the others up. */
const PATIENCE_SECONDS = 900;
const SHRINK_RUNS = 300;
/** Most of what is made lives for one event; and nobody reads the stack of an error that the code expects. */
const NODE_OPTIONS = ['--max-semi-space-size=32', '--stack-trace-limit=4'];
/** What a process has compiled, the next need not. */
const COMPILED = join(tmpdir(), 'fleet-sim-compiled');
/** What did not run has found nothing. */
const BROKEN = 'its process ended with';

interface SeedResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly cpuSeconds: number;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The results of these seeds, as one process runs them. */
async function runSeeds(from: number, to: number, mutant?: string): Promise<readonly SeedResult[]> {
  const args = [
    ...NODE_OPTIONS,
    PROCESS,
    String(from),
    String(to),
    ...(mutant === undefined ? [] : [mutant]),
  ];
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const timeout = PATIENCE_SECONDS * 1000;
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  const child = spawn(process.execPath, args, { stdio: [...stdio], timeout, env });
  const results: SeedResult[] = [];
  for await (const line of createInterface({ input: child.stdout }))
    results.push(JSON.parse(line) as SeedResult);
  const status = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)));
  const next = (results.at(-1)?.seed ?? from - 1) + 1;
  if (status !== 0)
    results.push({ seed: next, violations: [`${BROKEN} ${status}`], cpuSeconds: 0 });
  return results;
}

/** Runs the jobs on all cores, in order. */
async function onAllCores(jobs: (() => Promise<void>)[]): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

async function runRange(text: string): Promise<number> {
  const [from = Number.NaN, to = Number.NaN] = text.split('..').map(Number);
  if (!(from <= to)) throw new Error(USAGE);
  const failures: { seed: number; violation: string }[] = [];
  let cpuSeconds = 0;
  const jobs: (() => Promise<void>)[] = [];
  for (let first = from; first <= to; first += CHUNK)
    jobs.push(async () => {
      const results = await runSeeds(first, Math.min(to, first + CHUNK - 1));
      cpuSeconds += Math.max(0, ...results.map((each) => each.cpuSeconds));
      for (const { seed, violations } of results) {
        if (violations[0] === undefined) continue;
        failures.push({ seed, violation: violations[0].split('\n', 1)[0] ?? '' });
        say(`seed ${seed}: ${violations[0]}`);
      }
    });
  await onAllCores(jobs);
  const seeds = to - from + 1;
  const note = {
    commit: commit(),
    seeds: text,
    count: seeds,
    virtualMinutes: END_MS / 60_000,
    failed: failures.length,
    failures: failures.toSorted((a, b) => a.seed - b.seed).slice(0, 20),
    cpuSeconds: Math.round(cpuSeconds),
  };
  appendFileSync(RESULTS, `${JSON.stringify(note)}\n`);
  say(
    `${seeds} seeds, ${failures.length} failed, ${(cpuSeconds / seeds).toFixed(2)} s of CPU each`,
  );
  return failures.length === 0 ? 0 : 1;
}

/** The commit that runs; marked where files differ from it. */
function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'src', 'agent', 'test/sim/*.ts');
  return git('rev-parse', '--short', 'HEAD') + (changed === '' ? '' : '+');
}

async function runOne(seed: number, isShrunk: boolean): Promise<number> {
  let plan: Plan = planOf(seed);
  if (isShrunk) plan = await shrink(plan, SHRINK_RUNS);
  const { violations, story, hash, counts } = await runPlan(plan, { tell: true });
  const machines = plan.machines.map(({ name, metadata }) => `${name} ${JSON.stringify(metadata)}`);
  say(
    `seed ${seed}: machines ${machines.join(', ')}; ttl ${plan.ttlSec} s; ${plan.events.length} events`,
  );
  for (const line of story) say(line);
  say(`hash ${hash}; ${counts.commits} commits, ${counts.starts} starts, ${counts.stops} stops`);
  for (const violation of violations) say(`VIOLATED: ${violation}`);
  return violations.length === 0 ? 0 : 1;
}

async function runMutants(only: string | undefined): Promise<number> {
  let missed = 0;
  const jobs = mutants
    .filter(({ name }) => only === undefined || only === name)
    .map(({ name, fault }) => async (): Promise<void> => {
      const results = await runSeeds(1, MUTANT_SEEDS, name);
      const found = results.find(({ violations }) => violations.length > 0);
      const isBroken = found?.violations[0]?.startsWith(BROKEN) === true;
      if (found === undefined || isBroken) missed += 1;
      const how =
        found === undefined
          ? 'NOT FOUND'
          : isBroken
            ? 'BROKEN'
            : found.seed === 0
              ? 'its plan'
              : `seed ${found.seed}`;
      appendFileSync(
        RESULTS,
        `${JSON.stringify({ commit: commit(), mutant: name, found: how })}\n`,
      );
      say(`${name.padEnd(28)} ${how.padEnd(10)} ${fault}`);
      if (found !== undefined) say(`${' '.repeat(40)}${found.violations[0]?.split('\n', 1)[0]}`);
    });
  const count = jobs.length;
  await onAllCores(jobs);
  say(`${count} mutants, ${missed} not found within ${MUTANT_SEEDS} seeds`);
  return missed === 0 ? 0 : 1;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    shrink: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
});
const status = await chosen();
// A story that goes into a pipe is written in pieces; what the simulated world still waits for is not waited for.
process.stdout.write('', () => process.exit(status));

async function chosen(): Promise<number> {
  if (values.seeds !== undefined) return await runRange(values.seeds);
  if (values.seed !== undefined) return await runOne(Number(values.seed), values.shrink);
  if (values.mutants || values.mutant !== undefined) return await runMutants(values.mutant);
  process.stderr.write(`${USAGE}\n`);
  return 2;
}
