// Labs for benchmarks: real hosts, real etcd with fsync, and plain units by fleetctl or by systemctl.
// Invariant: what is timed is timed on the host itself, so that the way into it does not count; fleetctl is the packaged one.
import path from 'node:path';
import { hostProjectDir } from '../../lab/seed.ts';
import { startLab, type Lab, type LabOptions } from '../support/lab.ts';
import { eventually } from '../support/eventually.ts';
import { packagedDirectory } from './packaged.ts';

/** A unit that starts at once and stays. Without [Install]: `systemctl start` by hand enables nothing either. */
export const TRIVIAL = '[Service]\nExecStart=/bin/sleep infinity\n';

/** Runs `use` in a lab of so many hosts, and takes it down. */
export async function inLab<T>(
  hosts: number,
  use: (lab: Lab) => Promise<T>,
  options: Partial<LabOptions> = {},
): Promise<T> {
  const lab = await startLab({ hosts, name: 'bn', ttl: '30s', ...options });
  try {
    return await use(lab);
  } finally {
    await lab.down();
  }
}

/** Runs a shell script on the host; answers its stdout, and throws what it says when it fails. */
export async function script(lab: Lab, host: string, text: string): Promise<string> {
  const own = path.join(hostProjectDir, await packagedDirectory());
  const ended = await lab.feed(host, `PATH=${own}:$PATH\n${text}`, 'bash', '-eu');
  if (ended.status !== 0)
    throw new Error(`${host}: status ${ended.status}: ${ended.stderr}\n${text.slice(0, 500)}`);
  return ended.stdout;
}

/** ms that a command of the shell takes on the host. */
export async function timedOn(lab: Lab, host: string, command: string): Promise<number> {
  const text = `b=$EPOCHREALTIME\n${command} >/dev/null\ne=$EPOCHREALTIME\necho $(( \${e/./} - \${b/./} ))\n`;
  return Number((await script(lab, host, text)).trim()) / 1000;
}

/** Writes unit files `PREFIX<N>.service`, from `first` on, into a directory of the host. */
export async function writeUnits(
  lab: Lab,
  host: string,
  { directory, prefix, count, first = 1 }: Units,
): Promise<void> {
  const text = `mkdir -p ${directory}; cd ${directory}; printf '${TRIVIAL.replaceAll('\n', '\\n')}' > .one
for n in $(seq ${first} ${first + count - 1}); do cp .one ${prefix}$n.service; done\n`;
  await script(lab, host, text);
}

export interface Units {
  readonly directory: string;
  readonly prefix: string;
  readonly count: number;
  /** The number of the first; default 1. */
  readonly first?: number;
}

/** `prefix1.service prefix2.service …` for a shell. */
export function names({ prefix, count, first = 1 }: Omit<Units, 'directory'>): string {
  return `$(seq -f '${prefix}%g.service' ${first} ${first + count - 1})`;
}

/** Waits until the hosts together run so many units of this prefix. */
export async function untilActive(lab: Lab, prefix: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const counts = await Promise.all(lab.hosts.map((host) => activeOn(lab, host, prefix)));
      return counts.reduce((sum, each) => sum + each, 0) === count;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
}

/** How many units of this prefix are active on a host. */
export async function activeOn(lab: Lab, host: string, prefix: string): Promise<number> {
  const text = `systemctl list-units --no-legend --plain --state=active '${prefix}*.service' | wc -l`;
  return Number((await script(lab, host, text)).trim());
}

/** Destroys them all, and waits until nothing is left of them. */
export async function destroyAll(lab: Lab, units: Omit<Units, 'directory'>): Promise<void> {
  await script(lab, 'h1', `fleetctl destroy ${names(units)} >/dev/null`);
}
