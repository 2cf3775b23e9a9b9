// `list`: list-units and list-unit-files of 100, 500 and 10,000 units, from real etcd.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { nodeOptions } from '../../agent/node-options.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { fillCluster } from '../support/big-cluster.ts';
import { startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import type { Bench, Benchmark, Curve, Figure, Findings } from './figures.ts';
import { median } from './figures.ts';
import { packagedDirectory } from './packaged.ts';

/** units, and the goal in ms */
const SIZES: readonly (readonly [units: number, atMost: number])[] = [
  [100, 80],
  [500, 80],
  [10_000, 400],
];
const COMMANDS = ['list-units', 'list-unit-files'];
export const LIST_PREFIX = '/_coreos.com/fleet/';

export const list: Benchmark = {
  name: 'list',
  about:
    'The whole command, from its start to its end, against the API of a process with fleetd’s options over real etcd on this machine, with units on 3 hosts; fleetctl as it is packaged.',
  run: runList,
};

async function runList({ runs, say }: Bench): Promise<Findings> {
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  const fleetctl = join(await packagedDirectory(), 'fleetctl');
  const points = new Map<string, (readonly [number, number])[]>(COMMANDS.map((name) => [name, []]));
  for (const [units, atMost] of SIZES) {
    await using served = await serve(units);
    for (const command of COMMANDS) {
      const values: number[] = [];
      for (let run = 0; run <= runs; run += 1) {
        const ms = await timedCommand(
          [fleetctl, '--endpoint', served.endpoint, command, '--no-legend'],
          units,
        );
        if (run > 0) values.push(ms); // the first fills the caches
      }
      const what = `\`fleetctl ${command}\` of ${units.toLocaleString('en')} units`;
      figures.push({ what, unit: 'ms', values, goal: { atMost } });
      points.get(command)?.push([units, median(values)]);
    }
    say(`list: ${units} units`);
  }
  const node: number[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const ms = await timedCommand([process.execPath, '-e', '0'], 0);
    if (run > 0) node.push(ms);
  }
  figures.push({ what: '`node -e 0`, for comparison', unit: 'ms', values: node });
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
  await fillCluster(kv, keysUnder(LIST_PREFIX), { machines: 3, units });
  await kv.close();
  const directory = await mkdtemp(join(tmpdir(), 'fleet-list-'));
  const path = join(directory, 'fleet.sock');
  const program = new URL('list-process.ts', import.meta.url).pathname;
  const api = spawn(process.execPath, [...nodeOptions, program, path, ...etcd.endpoints], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(api, 'exit');
  await Promise.race([once(api.stdout, 'data'), exited]);
  return {
    endpoint: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      api.stdin.end();
      await exited;
      await etcd.stop();
      await rm(directory, { recursive: true });
    },
  };
}

/** ms of a process from its start to its end, by the shell that runs it; throws where it does not print so many lines. */
async function timedCommand(command: readonly string[], expected: number): Promise<number> {
  const script =
    'b=$EPOCHREALTIME; lines=$("$@" | wc -l); e=$EPOCHREALTIME; echo $lines $((${e/./} - ${b/./}))';
  const child = spawn('bash', ['-c', script, 'bash', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [lines = 0, us = 0] = (await text(child.stdout)).split(' ').map(Number);
  if (lines !== expected)
    throw new Error(`${command.join(' ')} has ${lines} lines instead of ${expected}`);
  return us / 1000;
}
