// Judges what a fault did: whether cluster and hosts agree, and whether anything was stopped, restarted or moved against the rules.
// Invariant: pure; it knows what was seen, and none of fleet's own code but the shapes of its API.
import type { V2Machine, V2Unit, V2UnitState } from '../../src/api/types.ts';
import { keyOf, type Happened, type Run, type Runs } from './fault-sight.ts';
import type { FaultUnit } from './fault-units.ts';

/** All that can be seen at one moment. */
export interface Seen {
  /** By host. */
  readonly machineIds: ReadonlyMap<string, string>;
  /** Hosts where fleet is to be present. */
  readonly hosts: readonly string[];
  readonly machines: readonly V2Machine[];
  readonly units: readonly V2Unit[];
  readonly states: readonly V2UnitState[];
  readonly runs: Runs;
  /** What is known of the units beside what the cluster says. */
  readonly known: ReadonlyMap<string, FaultUnit>;
}

/** Where cluster and hosts do not agree; nothing where every unit is as it is wanted and every row is true. */
export function disagreements(seen: Seen): readonly string[] {
  return [
    ...machinesOf(seen),
    ...seen.units.flatMap((unit) => wantedOf(seen, unit)),
    ...strays(seen),
    ...untrueRows(seen),
  ];
}

function machinesOf({ machines, machineIds, hosts }: Seen): readonly string[] {
  const ready = machines.filter(({ status }) => status === 'ready').map(({ id }) => id);
  const wanted = hosts.map((host) => machineIds.get(host)!);
  return ready.toSorted().join() === wanted.toSorted().join()
    ? []
    : [`machines that are ready: ${ready.join(' ')}`];
}

function wantedOf(seen: Seen, unit: V2Unit): readonly string[] {
  const { name, desiredState, global, machineID, currentState } = unit;
  if (desiredState === 'inactive') return [];
  if (global) return seen.hosts.flatMap((host) => atRest(seen, unit, host));
  const host = seen.hosts.find((one) => seen.machineIds.get(one) === machineID);
  if (host === undefined) return [`${name} is ${currentState} on ${machineID ?? 'no machine'}`];
  return atRest(seen, unit, host);
}

function atRest({ runs, known }: Seen, unit: V2Unit, host: string): readonly string[] {
  const run = runs.get(keyOf({ unit: unit.name, host }));
  if (run?.load !== 'loaded') return [`${unit.name} is not loaded on ${host}`];
  const rest = known.get(unit.name)?.rest ?? 'active';
  const expected = unit.desiredState === 'launched' || rest === 'any' ? rest : 'inactive';
  return expected === 'any' || run.active === expected
    ? []
    : [`${unit.name} is ${run.active} on ${host}, not ${expected}`];
}

/** What a host has and the cluster did not put there. */
function strays(seen: Seen): readonly string[] {
  const placed = new Map(seen.units.map((unit) => [unit.name, unit]));
  return [...seen.runs.values()].flatMap(({ unit: name, host }) => {
    const unit = placed.get(name);
    if (unit === undefined) return [`${name} is on ${host}, and the cluster does not know it`];
    const isThere = unit.global || unit.machineID === seen.machineIds.get(host);
    return isThere && unit.desiredState !== 'inactive'
      ? []
      : [`${name} is on ${host}, and does not belong there`];
  });
}

function untrueRows({ runs, states, machineIds, known }: Seen): readonly string[] {
  const settled = (unit: string): boolean => known.get(unit)?.rest !== 'any';
  const real = [...runs.values()]
    .filter(({ unit }) => settled(unit))
    .map(({ unit, host, load, active, sub }) =>
      rowOf(unit, machineIds.get(host)!, load, active, sub),
    );
  const said = states
    .filter(({ name }) => settled(name))
    .map((row) =>
      rowOf(
        row.name,
        row.machineID,
        row.systemdLoadState,
        row.systemdActiveState,
        `${row.systemdSubState}${row.orphan === true ? ' orphan' : ''}`,
      ),
    );
  const [is, tells] = [new Set(real), new Set(said)];
  return [
    ...real.filter((row) => !tells.has(row)).map((row) => `no row says ${row}`),
    ...said.filter((row) => !is.has(row)).map((row) => `a row says ${row}`),
    ...states
      .filter(({ refusal }) => refusal !== undefined)
      .map(({ name, refusal }) => `a row of ${name} says: ${refusal}`),
  ];
}

function rowOf(...words: readonly string[]): string {
  return words.join(' ');
}

/** What the rules allow a fault to do to units. */
export interface Allowed {
  /** Hosts that lost power: what they ran has ended. */
  readonly dead: readonly string[];
  /** Hosts that were out of reach for longer than their ttl: their units may run elsewhere. */
  readonly absent: readonly string[];
  /** Units that somebody asked to change. */
  readonly asked: ReadonlySet<string>;
}

export interface Consequences {
  readonly before: Runs;
  readonly after: Runs;
  readonly happened: readonly Happened[];
  /** `keyOf` of each unit that was placed on a host and is not, or was not for a while. */
  readonly left: ReadonlySet<string>;
  readonly known: ReadonlyMap<string, FaultUnit>;
}

/** What was done to units that the rules do not allow, one line each. */
export function breaches(
  { before, after, happened, left, known }: Consequences,
  { dead, absent, asked }: Allowed,
): readonly string[] {
  const counts = (unit: string): boolean =>
    known.has(unit) && known.get(unit)!.rest !== 'any' && !asked.has(unit);
  const mayEnd = (run: Readonly<{ unit: string; host: string }>): boolean =>
    dead.includes(run.host) || (absent.includes(run.host) && left.has(keyOf(run)));
  return [
    ...[...before.values()]
      .filter((run) => counts(run.unit) && !mayEnd(run))
      .flatMap((run) => changed(run, after.get(keyOf(run)))),
    ...happened
      .filter(({ what, unit }) => what === 'stopping' && counts(unit))
      .filter((line) => !left.has(keyOf(line)) || ![...dead, ...absent].includes(line.host))
      .map(({ unit, host, atMs }) => `${unit} was stopped on ${host} at ${clockOf(atMs)}`),
    ...happened
      .filter((line) => line.what === 'started' && counts(line.unit))
      .filter((line) => before.has(keyOf(line)) && !dead.includes(line.host))
      .filter((line) => !left.has(keyOf(line)))
      .map(({ unit, host, atMs }) => `${unit} was started again on ${host} at ${clockOf(atMs)}`),
    ...[...left]
      .map((key) => ({ unit: key.split(' ')[0]!, host: key.split(' ')[1]! }))
      .filter(({ unit, host }) => counts(unit) && ![...dead, ...absent].includes(host))
      .map(({ unit, host }) => `${unit} was moved away from ${host}`),
  ];
}

/** ms for which a unit ran on two hosts, at most: it was started on one, and stopped on the other only later. 0 where none did. */
export function ranTwiceMs(
  happened: readonly Happened[],
  known: ReadonlyMap<string, FaultUnit>,
): number {
  const single = happened.filter(({ unit }) => known.get(unit)?.global === false);
  const starts = single.filter(({ what }) => what === 'started');
  const overlaps = single
    .filter(({ what }) => what === 'stopping')
    .flatMap((stop) =>
      starts
        .filter(({ unit, host }) => unit === stop.unit && host !== stop.host)
        .map((start) => stop.atMs - start.atMs),
    );
  return Math.round(Math.max(0, ...overlaps));
}

function changed(run: Run, now: Run | undefined): readonly string[] {
  const { unit, host, invocation, pid } = run;
  if (now === undefined) return [`${unit} is gone from ${host}`];
  // systemd forgets the last run of what does not run.
  const isSame = run.active !== 'active' || (now.invocation === invocation && now.pid === pid);
  if (isSame && now.active === run.active) return [];
  return [
    `${unit} on ${host} is another run: ${run.active} pid ${pid} ${invocation.slice(0, 8)}, now ${now.active} pid ${now.pid} ${now.invocation.slice(0, 8)}`,
  ];
}

function clockOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}
