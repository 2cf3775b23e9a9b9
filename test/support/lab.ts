// Real hosts for tests: a lab of its own name, gone when the test ends, however it ends.
// Invariant: what a test sees of a host it sees through that host's own systemd, journal and fleetctl.
import path from 'node:path';
import { execOn, labDir, labNamed, labScript, type Ended, type LabName } from '../../lab/script.ts';
import { labImpossible, up, type EtcdMode } from '../../lab/up.ts';
import { eventually } from './eventually.ts';

export interface LabOptions {
  readonly hosts: number;
  /** Default 'shared'. */
  readonly etcd?: EtcdMode;
  /** Begins the lab's name: up to four small letters. Default 't'. */
  readonly name?: string;
  /** agent_ttl; default '3s'. */
  readonly ttl?: string;
  /** %H is the host's name; default 'hostname=%H'. */
  readonly metadata?: string;
  /** More lines of fleet.conf. */
  readonly config?: readonly string[];
  /** More lines of fleet.service's [Service]. */
  readonly service?: readonly string[];
  readonly tcpPort?: number;
  /** false: hosts without fleet. */
  readonly fleet?: boolean;
  /** false: hosts that see neither the project nor its Node. */
  readonly project?: boolean;
  /** Another program as fleetd: a path below the project. */
  readonly fleetd?: string;
  /** Hosts without fleet.conf, provisioned by this as they boot; HOST and ETCD_SERVERS in it are filled in. */
  readonly cloudConfig?: string;
}

/** A row of `lab.sh ls`. */
export interface HostRow {
  readonly host: string;
  readonly state: string;
  readonly address: string;
  readonly machineId: string;
  readonly bus: string;
}

export interface Lab {
  readonly name: string;
  readonly hosts: readonly string[];
  /** The command's end, whatever its status. */
  exec(host: string, ...command: readonly string[]): Promise<Ended>;
  /** The same, with this on its standard input. */
  feed(host: string, stdin: string, ...command: readonly string[]): Promise<Ended>;
  /** The command's stdout, trimmed; throws when it failed. */
  out(host: string, ...command: readonly string[]): Promise<string>;
  fleetctl(host: string, ...args: readonly string[]): Promise<Ended>;
  /** Where this machine reaches the host's API: a path of a unix socket. */
  socket(host: string): string;
  rows(): Promise<readonly HostRow[]>;
  kill(host: string): Promise<void>;
  halt(host: string): Promise<void>;
  boot(host: string): Promise<void>;
  /** Power cut, and the disk is gone: `up` makes a new host of that name and address. */
  wipe(host: string): Promise<void>;
  /** Boots new hosts until there are `hosts`, and waits until all are listed. */
  up(hosts: number): Promise<void>;
  /** `peer`: another host, or 'in' or 'out' for one way only. */
  cut(host: string, peer?: string): Promise<void>;
  heal(host: string, peer?: string): Promise<void>;
  etcd(action: 'start' | 'stop' | 'kill' | 'pause' | 'resume'): Promise<void>;
  /** The journal of the host's boot; `matches` as journalctl takes them, such as '-u', 'fleet'. */
  journal(host: string, ...matches: readonly string[]): Promise<string>;
  /** InvocationID of `unit` by host, for the hosts where it is active: the same id is the same run, never restarted. */
  invocations(unit: string): Promise<Readonly<Record<string, string>>>;
  /** Writes a file on the host. */
  write(host: string, file: string, text: string): Promise<void>;
}

/** Why no lab can be made here, for `it.skipIf`; undefined when it can. Prints it, so that a skip is never silent. */
export function noLab(): string | undefined {
  const reason = labImpossible();
  if (reason !== undefined) process.stderr.write(`skipped: ${reason}\n`);
  return reason;
}

/** Runs `use` with a fresh lab, and takes the lab down afterwards. */
export async function withLab(
  options: LabOptions,
  use: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await startLab(options);
  try {
    await use(lab);
  } finally {
    await lab.down();
  }
}

/** A fresh lab for several tests; whoever starts it calls `down`. One that does not come up leaves nothing. */
export async function startLab(options: LabOptions): Promise<Lab & { down(): Promise<void> }> {
  const name = labNamed(uniqueName(options.name ?? 't'));
  const boot = (hosts: number): Promise<void> =>
    up(name, {
      hosts,
      etcd: options.etcd ?? 'shared',
      ttl: options.ttl ?? '3s',
      metadata: options.metadata ?? 'hostname=%H',
      config: options.config ?? [],
      service: options.service ?? [],
      fleet: options.fleet ?? true,
      project: options.project ?? true,
      ...(options.tcpPort === undefined ? {} : { tcpPort: options.tcpPort }),
      ...(options.fleetd === undefined ? {} : { fleetd: options.fleetd }),
      ...(options.cloudConfig === undefined ? {} : { cloudConfig: options.cloudConfig }),
      say: () => undefined,
    });
  const down = async (): Promise<void> => {
    await labScript(name, ['down']);
  };
  try {
    await boot(options.hosts);
  } catch (error) {
    await down();
    throw error;
  }
  return { ...handle(name, options.hosts), up: boot, down };
}

/** Waits until `fleetctl list-machines` on `host` names `count` machines. */
export async function machines(lab: Lab, host: string, count: number): Promise<void> {
  await eventually(async () => {
    const listed = await lab.fleetctl(host, 'list-machines', '--no-legend');
    return listed.status === 0 && listed.stdout.split('\n').length - 1 === count;
  });
}

let counter = 0;

/** At most eight characters; other tests of this machine run in other processes. */
function uniqueName(prefix: string): string {
  counter = (counter + 1) % 36;
  const process36 = (process.pid % 36 ** 3).toString(36).padStart(3, '0');
  return `${prefix.slice(0, 4)}${process36}${counter.toString(36)}`;
}

function handle(name: LabName, count: number): Omit<Lab, 'up'> {
  const hosts = Array.from({ length: count }, (_, i) => `h${i + 1}`);
  const script = async (...args: readonly string[]): Promise<void> => {
    await labScript(name, args);
  };
  const exec: Lab['exec'] = (host, ...command) => execOn(name, host, command);
  const out: Lab['out'] = async (host, ...command) => {
    const ended = await exec(host, ...command);
    if (ended.status !== 0)
      throw new Error(`${host}: ${command.join(' ')}: ${ended.status}: ${ended.stderr}`);
    return ended.stdout.trim();
  };
  return {
    name: name.name,
    hosts,
    exec,
    out,
    feed: (host, stdin, ...command) => execOn(name, host, command, { stdin }),
    fleetctl: (host, ...args) => exec(host, 'fleetctl', ...args),
    socket: (host) => path.join(labDir(name), host, 'run/fleet.sock'),
    rows: async () => parseRows(await labScript(name, ['ls'])),
    kill: (host) => script('kill', host),
    halt: (host) => script('halt', host),
    boot: (host) => script('boot', host),
    wipe: (host) => script('wipe', host),
    cut: (host, peer) => script('cut', host, ...(peer === undefined ? [] : [peer])),
    heal: (host, peer) => script('heal', host, ...(peer === undefined ? [] : [peer])),
    etcd: (action) => script('etcd', action),
    journal: (host, ...matches) =>
      out(host, 'journalctl', '--no-pager', '-o', 'short-monotonic', '-b', ...matches),
    invocations: async (unit) => {
      const rows = parseRows(await labScript(name, ['ls']));
      const on = rows.filter((row) => row.state !== 'off').map((row) => row.host);
      const found = await Promise.all(on.map(async (host) => [host, await invocation(host)]));
      return Object.fromEntries(found.filter(([, id]) => id !== '')) as Record<string, string>;

      async function invocation(host: string): Promise<string> {
        const shown = await out(host, 'systemctl', 'show', '-p', 'InvocationID,ActiveState', unit);
        if (!shown.includes('ActiveState=active')) return '';
        return /^InvocationID=(.+)$/m.exec(shown)?.[1] ?? '';
      }
    },
    write: async (host, file, text) => {
      const ended = await execOn(name, host, ['sh', '-c', `cat > '${file}'`], { stdin: text });
      if (ended.status !== 0) throw new Error(`${host}: cannot write '${file}': ${ended.stderr}`);
    },
  };
}

function parseRows(listing: string): HostRow[] {
  const lines = listing.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [host = '', state = '', address = '', machineId = '', bus = ''] = line.split(' ');
    return { host, state, address, machineId, bus };
  });
}
