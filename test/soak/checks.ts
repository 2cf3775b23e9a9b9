// What must be so: always (one placement a unit), and at rest (what was acknowledged is what the store says and what the hosts do).
import type { FleetClient } from '../../src/api/client.ts';
import type { V2Unit } from '../../src/api/types.ts';
import { isFleetError } from '../../src/model/errors.ts';
import type { MachineId } from '../../src/model/machine.ts';
import { decode } from '../../src/registry/codec.ts';
import type { Keys } from '../../src/registry/keys.ts';
import type { Kv } from '../../src/store/kv.ts';
import type { Ledger, Wanted } from './ledger.ts';
import type { SimulatedHost } from '../support/simulated-host.ts';

const never = new AbortController().signal;

/** Units that the store, at one revision, gives to more than one host, or to another host than it says they are placed on. */
export async function doublePlacements(kv: Kv, keys: Keys): Promise<readonly string[]> {
  const { kvs } = await kv.range(keys.cluster, {}, never);
  const placed = new Map<string, MachineId>();
  const held = new Map<string, MachineId[]>();
  for (const { key, value } of kvs) {
    if (key.startsWith(keys.placements)) {
      const { name, machine, release } = decode('placement', key, value);
      if (!release) placed.set(name, machine);
    } else if (key.startsWith(keys.schedules)) {
      const { name, machine, release } = decode('assignment', key, value);
      if (!release) held.set(name, [...(held.get(name) ?? []), machine]);
    }
  }
  return [...held].flatMap(([name, machines]) => {
    const at = placed.get(name);
    if (machines.length === 1 && machines[0] === at) return [];
    return [`${name} is held by ${machines.join(' and ')}, placed on ${at ?? 'none'}`];
  });
}

/** Units that run on more than one host that can be reached: of global ones that is the idea. */
export function doubleRuns(hosts: readonly SimulatedHost[]): readonly string[] {
  const runs = new Map<string, number>();
  for (const host of hosts.filter((one) => one.isReachable))
    for (const name of host.systemd.active()) runs.set(name, (runs.get(name) ?? 0) + 1);
  return [...runs]
    .filter(([name, count]) => count > 1 && !name.startsWith('everywhere'))
    .map(([name]) => name);
}

export interface RestDeps {
  readonly client: FleetClient;
  readonly hosts: readonly SimulatedHost[];
  readonly names: readonly string[];
  readonly ledger: Ledger;
  readonly kv: Kv;
  readonly keys: Keys;
}

/** What is not as it was asked for, one line each; none when all agrees. To be asked when nobody asks for anything any more. */
export async function disagreements(deps: RestDeps): Promise<readonly string[]> {
  const { client, ledger, names } = deps;
  const units = new Map((await client.units(never)).map((unit) => [unit.name, unit]));
  const lines: string[] = [];
  let expected: KeyCounts = { unit: 0, placed: 0, state: 0 };
  for (const name of names) {
    const unit = units.get(name);
    units.delete(name);
    const wanted = unit && { text: await textOf(client, name), desiredState: unit.desiredState };
    if (!ledger.settle(name, wanted))
      lines.push(`LOST: ${name} is ${JSON.stringify(wanted)}, which nobody asked for last`);
    lines.push(...hostsDisagree(deps, name, wanted, unit));
    expected = sum(expected, keysOf(unit, deps.hosts.length));
  }
  lines.push(...[...units.keys()].map((name) => `${name} is there, and nobody asked for it`));
  return [...lines, ...(await keysDisagree(deps, expected))];
}

async function textOf(client: FleetClient, name: string): Promise<string> {
  try {
    return (await client.unit(name, never)).text ?? '';
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    return 'gone while it was read';
  }
}

/** What the hosts make of one unit. */
function hostsDisagree(
  { hosts }: RestDeps,
  name: string,
  wanted: Wanted,
  unit: V2Unit | undefined,
): readonly string[] {
  const having = hosts.filter(({ systemd }) => systemd.linked.has(name));
  const running = hosts.filter(({ systemd }) => systemd.active().includes(name));
  const isWanted = wanted !== undefined && wanted.desiredState !== 'inactive';
  const isGlobal = name.startsWith('everywhere');
  const lines: string[] = [];
  const count = !isWanted ? 0 : isGlobal ? hosts.length : 1;
  if (having.length !== count) lines.push(`${name} is on ${having.length} hosts, not ${count}`);
  const isSteady = !/^(failing|oneshot)/.test(name);
  const runs = wanted?.desiredState === 'launched' && isSteady ? count : 0;
  if (running.length !== runs) lines.push(`${name} runs on ${running.length} hosts, not ${runs}`);
  for (const { systemd, machine } of having)
    if (systemd.units.get(name)?.text !== wanted?.text)
      lines.push(`${name} on ${machine.slice(0, 4)} has another text`);
  if (isGlobal || unit === undefined) return lines;
  if (unit.currentState !== unit.desiredState)
    lines.push(`${name} is ${unit.currentState ?? '?'}, not ${unit.desiredState}`);
  if (isWanted && having[0]?.machine !== unit.machineID)
    lines.push(`${name} is not where it is placed`);
  return lines;
}

interface KeyCounts {
  readonly unit: number;
  readonly placed: number;
  readonly state: number;
}

/** The keys that a unit has at rest. */
function keysOf(unit: V2Unit | undefined, hosts: number): KeyCounts {
  const isWanted = unit !== undefined && unit.desiredState !== 'inactive';
  return {
    unit: unit === undefined ? 0 : 1,
    placed: isWanted && !unit.global ? 1 : 0,
    state: isWanted ? (unit.global ? hosts : 1) : 0,
  };
}

function sum(a: KeyCounts, b: KeyCounts): KeyCounts {
  return { unit: a.unit + b.unit, placed: a.placed + b.placed, state: a.state + b.state };
}

/** Keys that are too many or too few: what is not counted here is what the store must not gather. */
async function keysDisagree(
  { kv, keys, hosts }: RestDeps,
  expected: KeyCounts,
): Promise<readonly string[]> {
  const counts = await keyCounts(kv, keys);
  const rules: Readonly<Record<string, number>> = {
    'c/unit': expected.unit,
    'c/placed': expected.placed,
    'c/schedule': expected.placed,
    'c/machine': hosts.length,
    'c/host': 0,
    state: expected.state,
    pending: 0,
    orphan: 0,
    leader: 1,
    format: 1,
  };
  return Object.entries(rules).flatMap(([prefix, count]) =>
    (counts[prefix] ?? 0) === count
      ? []
      : [`the store has ${counts[prefix] ?? 0} keys ${prefix}, not ${count}`],
  );
}

/** How many keys there are of each kind. */
export async function keyCounts(kv: Kv, keys: Keys): Promise<Readonly<Record<string, number>>> {
  const { kvs } = await kv.range(keys.prefix, { keysOnly: true }, never);
  const counts: Record<string, number> = {};
  for (const { key } of kvs) {
    const [first = '', second = ''] = key.slice(keys.prefix.length).split('/');
    const kind = first === 'c' ? `c/${second}` : first;
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}
