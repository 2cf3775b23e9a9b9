// `list`: list-units and list-unit-files of 100, 500 and 10,000 units, from real etcd.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createApi } from '../../src/api/server.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { fillCluster } from '../support/big-cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import type { Bench, Benchmark, Curve, Figure, Findings } from './figures.ts';
import { median } from './figures.ts';

/** units, and the goal in ms */
const SIZES: readonly (readonly [units: number, atMost: number])[] = [
  [100, 80],
  [500, 80],
  [10_000, 400],
];
/** As on the hosts of the lab. */
const COMPILED = resolve('node_modules/.cache/compiled');
const COMMANDS = ['list-units', 'list-unit-files'];

export const list: Benchmark = {
  name: 'list',
  about:
    'The whole command, from its start to its end, against an API over real etcd on this machine, with units on 3 hosts; fleetctl runs from its sources, which an earlier call has compiled.',
  run: runList,
};

async function runList({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  const points = new Map<string, (readonly [number, number])[]>(COMMANDS.map((name) => [name, []]));
  for (const [units, atMost] of SIZES) {
    await using served = await serve(units);
    for (const command of COMMANDS) {
      const values: number[] = [];
      for (let run = 0; run <= runs; run += 1) {
        const ms = await timedCommand(served.endpoint, command, units);
        if (run > 0) values.push(ms); // the first fills the caches
      }
      const what = `\`fleetctl ${command}\` of ${units.toLocaleString('en')} units`;
      figures.push({ what, unit: 'ms', values, goal: { atMost } });
      points.get(command)?.push([units, median(values)]);
    }
    say(`list: ${units} units`);
  }
  for (const [name, all] of points)
    curves.push({ plot: 'list', name, x: 'units', y: 'ms', points: all });
  return { figures, curves };
}

interface Served extends AsyncDisposable {
  readonly endpoint: string;
}

async function serve(units: number): Promise<Served> {
  const etcd = await startEtcd();
  const kv = await openStore(etcd.endpoints);
  const keys = keysUnder('/_coreos.com/fleet/');
  await fillCluster(kv, keys, { machines: 3, units });
  const directory = await mkdtemp(join(tmpdir(), 'fleet-list-'));
  const path = join(directory, 'fleet.sock');
  const ignore = (): void => undefined;
  const log = { info: ignore, warn: ignore, error: ignore };
  const api = await createApi({ kv, keys, log, version: '2', tokenLimit: 100, clock: systemClock });
  await api.listen({ path });
  return {
    endpoint: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      await api.close();
      await kv.close();
      await etcd.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** Runs it as a process of its own; throws where it does not list all. */
async function timedCommand(endpoint: string, command: string, units: number): Promise<number> {
  const began = performance.now();
  const args = ['cli/main.ts', '--endpoint', endpoint, command, '--no-legend'];
  const env = { ...process.env, NODE_COMPILE_CACHE: COMPILED };
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  let lines = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines += 1;
  });
  await new Promise((resolve) => child.once('close', resolve));
  const ms = performance.now() - began;
  if (lines !== units) throw new Error(`${command} has ${lines} lines instead of ${units}`);
  return ms;
}
