// `npm run bench -- NAME… [--json FILE] [--runs N]`: measures, and prints what was found; `all` also writes docs/benchmarks.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { agents } from './agents.ts';
import { cellsOf, COLUMNS, type Bench, type Benchmark, type Findings } from './figures.ts';
import { failover } from './failover.ts';
import { idle } from './idle.ts';
import { list } from './list.ts';
import { loop } from './loop.ts';
import { memory } from './memory.ts';
import { nomi } from './nomi.ts';
import { plan } from './plan.ts';
import { replan } from './replan.ts';
import { startMany, stopMany } from './many.ts';
import { startOne } from './start-one.ts';
import { surroundings, surroundingsLine, type Surroundings } from './surroundings.ts';
import { writePage, type Measured } from './page.ts';

const BENCHMARKS: readonly Benchmark[] = [
  startOne,
  startMany,
  stopMany,
  nomi,
  failover,
  list,
  idle,
  memory,
  plan,
  replan,
  loop,
  agents,
];

const USAGE = `usage: npm run bench -- NAME… [--runs N] [--json FILE]
  NAME: all, ${BENCHMARKS.map(({ name }) => name).join(', ')}
       npm run bench -- page FILE…    writes docs/benchmarks.md from such files`;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      runs: { type: 'string', default: '5' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (positionals[0] === 'page') return await pageOf(positionals.slice(1));
  const isAll = positionals.includes('all');
  const known = BENCHMARKS.filter(({ name }) => isAll || positionals.includes(name));
  const unknown = positionals.find((name) => name !== 'all' && !known.some((b) => b.name === name));
  const runs = Number(values.runs);
  if (positionals.length === 0 || unknown !== undefined || !(runs >= 1)) {
    const wrong =
      unknown === undefined
        ? 'a NAME, and N of at least 1, are needed'
        : `no benchmark is named '${unknown}'`;
    process.stderr.write(`bench: ${wrong}\n${USAGE}\n`);
    return 2;
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const around = await surroundings();
  process.stdout.write(`${surroundingsLine(around)}\n`);
  const results: Measured[] = [];
  const run: Run = { surroundings: around, results };
  let failed = 0;
  for (const benchmark of known) {
    try {
      const measure = known.length === 1 ? measureHere : measureApart;
      results.push(await measure(benchmark, { runs, say }));
    } catch (error) {
      failed += 1; // the others are measured all the same
      say(`${benchmark.name} failed: ${error instanceof Error ? error.stack : String(error)}`);
    }
    // After each: what was measured outlives a run that is ended midway.
    if (values.json !== undefined)
      await writeFile(values.json, `${JSON.stringify(run, null, 2)}\n`);
  }
  if (isAll && failed === 0) await writePage(around, results);
  return failed === 0 ? 0 : 1;
}

async function measureHere(benchmark: Benchmark, bench: Bench): Promise<Measured> {
  const { name, about } = benchmark;
  process.stdout.write(`\n${name}: ${about}\n`);
  const findings = await benchmark.run(bench);
  process.stdout.write(tableOf(findings));
  return { name, about, ...findings };
}

/** In a process of its own: the heap that one leaves behind is not the next one's, and is not cleared while that measures. */
async function measureApart({ name }: Benchmark, { runs }: Bench): Promise<Measured> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'fleet-bench-'));
  const file = path.join(directory.path, 'run.json');
  const args = [import.meta.filename, name, '--runs', String(runs), '--json', file];
  const child = spawn(process.execPath, [...process.execArgv, ...args], { stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`its process ended with ${status ?? 'a signal'}`);
  const { results } = JSON.parse(await readFile(file, 'utf8')) as Run; // written by the child
  const [measured] = results;
  if (measured === undefined) throw new Error('its process wrote nothing');
  return measured;
}

/** Writes the page from what earlier runs have put into files; of a benchmark that is in several, the last counts. */
async function pageOf(files: readonly string[]): Promise<number> {
  const results = new Map<string, { result: Measured; at: Surroundings }>();
  let around: Surroundings | undefined;
  for (const file of files) {
    const run = JSON.parse(await readFile(file, 'utf8')) as Run; // written below
    around = run.surroundings;
    for (const result of run.results) results.set(result.name, { result, at: run.surroundings });
  }
  if (around === undefined) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const inOrder = BENCHMARKS.flatMap(({ name }): Measured[] => {
    const found = results.get(name);
    if (found === undefined) return [];
    return [found.at === around ? found.result : { ...found.result, elsewhere: found.at }];
  });
  await writePage(around, inOrder);
  return 0;
}

/** What `--json` writes. */
interface Run {
  readonly surroundings: Surroundings;
  readonly results: readonly Measured[];
}

/** Aligned columns. */
function tableOf({ figures }: Findings): string {
  const rows = [COLUMNS, ...figures.map(cellsOf)];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}\n`)
    .join('');
}

/** Whether `parseArgs` has thrown this. */
function isArgumentError(error: unknown): error is Error {
  return (
    error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
  );
}

// What a benchmark that failed has left to wait for ends with it.
process.exit(
  await main(process.argv.slice(2)).catch((error: unknown) => {
    if (!isArgumentError(error)) throw error;
    process.stderr.write(`bench: ${error.message}\n${USAGE}\n`);
    return 2;
  }),
);
