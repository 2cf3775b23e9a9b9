// What the hosts of a lab say of their units: each host's own systemd and journal, and nothing of fleet.
// Invariant: a unit is told by its InvocationID and its main process: the same two are the same run, never restarted.
import type { Lab } from './lab.ts';

/** One unit on one host. */
export interface Run {
  readonly unit: string;
  readonly host: string;
  readonly load: string;
  readonly active: string;
  readonly sub: string;
  readonly invocation: string;
  /** 0 where there is none. */
  readonly pid: number;
}

/** By unit and host, `keyOf`: what systemd has from fleet, and what runs though its file is gone. */
export type Runs = ReadonlyMap<string, Run>;

/** A line of systemd about a unit. */
export interface Happened {
  readonly host: string;
  readonly unit: string;
  readonly what: 'started' | 'stopping';
  /** ms since 1970. */
  readonly atMs: number;
}

const SHOWN = 'Id,LoadState,ActiveState,SubState,InvocationID,MainPID,FragmentPath';

/** systemd's messages: sd-messages.h. Of a service that is up at once it says `Started` only, never `Starting`. */
const MESSAGES: Readonly<Record<string, Happened['what']>> = {
  '39f53479d3a045ac8e11786248231fbf': 'started',
  de5b426a63be47a7b6ac3eaac82e2f6f: 'stopping',
};

export function keyOf({ unit, host }: Readonly<{ unit: string; host: string }>): string {
  return `${unit} ${host}`;
}

/** Asks these hosts for these units, and for all whose files are in fleet's directory. */
export async function runsOn(
  lab: Lab,
  hosts: readonly string[],
  units: readonly string[],
): Promise<Runs> {
  const named = units.filter((unit) => !unit.includes('@.')); // a template is no unit to systemd
  const found = await Promise.all(
    hosts.map(async (host) => {
      // Also files that nobody knows of.
      const files = (await lab.out(host, 'sh', '-c', 'ls /run/fleet/units || true')).split('\n');
      const all = new Set([...named, ...files.filter((file) => file !== '')]);
      const shown = await lab.out(host, 'systemctl', 'show', '-p', SHOWN, '--', ...all);
      return shown.split('\n\n').flatMap((block) => runIn(host, block));
    }),
  );
  return new Map(found.flat().map((run) => [keyOf(run), run]));
}

function runIn(host: string, block: string): readonly Run[] {
  const shown = new Map(
    block.split('\n').map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const of = (property: string): string => shown.get(property) ?? '';
  const active = of('ActiveState');
  // A name that systemd does not know is shown too, as inactive; one that is known from elsewhere has a path elsewhere.
  if (!of('FragmentPath').startsWith('/run/') && (active === 'inactive' || active === ''))
    return [];
  return [
    {
      unit: of('Id'),
      host,
      load: of('LoadState'),
      active,
      sub: of('SubState'),
      invocation: of('InvocationID'),
      pid: Number(of('MainPID') || 0),
    },
  ];
}

/** What systemd on these hosts started and began to stop since then (ms since 1970), in all boots. */
export async function happenedOn(
  lab: Lab,
  hosts: readonly string[],
  sinceMs: number,
): Promise<readonly Happened[]> {
  const found = await Promise.all(
    hosts.map(async (host) => {
      const fields = '--output-fields=MESSAGE_ID,UNIT,_SOURCE_REALTIME_TIMESTAMP';
      const since = `--since=@${(sinceMs / 1000).toFixed(3)}`;
      const ids = Object.keys(MESSAGES).map((id) => `MESSAGE_ID=${id}`);
      const text = await lab.out(
        host,
        'journalctl',
        '--no-pager',
        '-q',
        '-o',
        'json',
        fields,
        since,
        '_PID=1',
        ...ids,
      );
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => happenedIn(host, line));
    }),
  );
  return found.flat();
}

function happenedIn(host: string, line: string): Happened {
  const entry = JSON.parse(line) as Record<string, string>;
  return {
    host,
    unit: entry['UNIT'] ?? '',
    what: MESSAGES[entry['MESSAGE_ID'] ?? ''] ?? 'started',
    atMs: Number(entry['_SOURCE_REALTIME_TIMESTAMP']) / 1000,
  };
}
