// On what a benchmark ran: without it a figure means nothing.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';

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
  /** Mean over the last minute before the start: over a tenth of the cores, others were at work. */
  readonly load: number;
}

/** Looks round. */
export function surroundings(): Surroundings {
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
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** As one line. */
export function surroundingsLine(found: Surroundings): string {
  const { commit, processor, cores, memoryGB, kernel, node, etcd, systemd, load } = found;
  return `commit ${commit}; ${cores} × ${processor}, ${memoryGB} GB; Linux ${kernel}, Node ${node}, etcd ${etcd}, systemd ${systemd}; load before the start ${load}`;
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
