// On what a benchmark ran: without it a figure means nothing.
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** ms; how long it is looked before the start what the processors do. */
const LOOK_MS = 2_000;

/** What the figures depend on. */
export interface Surroundings {
  readonly commit: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly kernel: string;
  readonly node: string;
  readonly etcd: string;
  readonly systemd: string;
  /** Percent of the processors' time that was taken in the last moment before the start: over a tenth, others were at work. */
  readonly busyPercent: number;
}

/** Looks round, for 2 s. */
export async function surroundings(): Promise<Surroundings> {
  const dirty = said('git', 'status', '--porcelain') === '' ? '' : ' with changes';
  return {
    commit: `${said('git', 'rev-parse', '--short=12', 'HEAD')}${dirty}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    etcd: /etcd Version: (\S+)/.exec(said('etcd', '--version'))?.[1] ?? 'none',
    systemd: /systemd (\d+)/.exec(said('systemctl', '--version'))?.[1] ?? 'none',
    busyPercent: await busyPercent(),
  };
}

/** As one line. */
export function surroundingsLine(found: Surroundings): string {
  const { commit, processor, cores, memoryGB, kernel, node, etcd, systemd } = found;
  return `commit ${commit}; ${cores} × ${processor}, ${memoryGB} GB; Linux ${kernel}, Node ${node}, etcd ${etcd}, systemd ${systemd}; ${busyLine(found)}`;
}

/** What the processors did before the start. */
export function busyLine({ busyPercent: percent }: Surroundings): string {
  return `processors ${percent} % busy before the start`;
}

async function busyPercent(): Promise<number> {
  const before = processorTimes();
  await delay(LOOK_MS);
  const after = processorTimes();
  const all = after.all - before.all;
  return all === 0 ? 0 : Math.round(100 * (1 - (after.idle - before.idle) / all));
}

/** ms since the boot, over all processors. */
function processorTimes(): Readonly<{ all: number; idle: number }> {
  const times = cpus().map(({ times: each }) => each);
  const all = times.flatMap((each) => Object.values(each)).reduce((sum, ms) => sum + ms, 0);
  return { all, idle: times.reduce((sum, { idle }) => sum + idle, 0) };
}

function said(command: string, ...args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return ''; // not installed: the caller says 'none'
  }
}
