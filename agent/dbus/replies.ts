// What systemd answers, checked: org.freedesktop.systemd1(5) as types.
// Invariant: a reply of another shape is DBUS_CALL_FAILED, never a guess.
import { FleetError } from '../../src/model/errors.ts';
import type { JobResult, SystemdState } from '../../src/model/unit-state.ts';
import { unwrap } from './wire.ts';

/** The first value of a reply, which must be text (an object path too). */
export function textReply(body: readonly unknown[], member: string): string {
  const [value] = body;
  const text = unwrap(value);
  if (typeof text !== 'string') throw unexpected(member);
  return text;
}

/** A time in µs, of 64 bits. */
export function microseconds(body: readonly unknown[], member: string): bigint {
  const value = unwrap(body[0]);
  if (typeof value !== 'bigint') throw unexpected(member);
  return value;
}

/** systemd's word for no end (USEC_INFINITY). */
const INFINITY_US = 2n ** 64n - 1n;

/** A timeout in ms; undefined for none. */
export function timeoutMs(body: readonly unknown[], member: string): number | undefined {
  const us = microseconds(body, member);
  return us === INFINITY_US || us === 0n ? undefined : Number(us) / 1000;
}

/** Rows of ListUnitsByNames, (ssssssouso): name and state of each. */
export function stateRows(
  body: readonly unknown[],
  member: string,
): readonly (readonly [string, SystemdState])[] {
  return rows(body, member).map((row) => {
    const [name, , loadState, activeState, subState] = row;
    if (
      typeof name !== 'string' ||
      typeof loadState !== 'string' ||
      typeof activeState !== 'string' ||
      typeof subState !== 'string'
    ) {
      throw unexpected(member);
    }
    return [name, { loadState, activeState, subState }];
  });
}

/** Rows as above: whether one of them is on its way up, or has a job. */
export function isOneAtWork(body: readonly unknown[], member: string): boolean {
  return rows(body, member).some(([, , , activeState, , , , job]) => {
    if (typeof activeState !== 'string' || typeof job !== 'number') throw unexpected(member);
    return activeState === 'activating' || job !== 0;
  });
}

/** Rows of ListJobs, (usssoo): the unit of each job by the job's path. */
export function jobRows(body: readonly unknown[], member: string): ReadonlyMap<string, string> {
  const jobs = new Map<string, string>();
  for (const [, unit, , , path] of rows(body, member)) {
    if (typeof unit !== 'string' || typeof path !== 'string') throw unexpected(member);
    jobs.set(path, unit);
  }
  return jobs;
}

/** Rows of ListJobs: the units whose stop waits for other jobs. */
export function queuedStops(body: readonly unknown[], member: string): ReadonlySet<string> {
  const queued = new Set<string>();
  for (const [, unit, type, state] of rows(body, member)) {
    if (typeof unit !== 'string') throw unexpected(member);
    if (type === 'stop' && state === 'waiting') queued.add(unit);
  }
  return queued;
}

/** A property map, a{sv}, read by name. */
export function propertyReader(body: readonly unknown[], member: string): (name: string) => string {
  const [map] = body;
  if (typeof map !== 'object' || map === null) throw unexpected(member);
  const values = new Map(Object.entries(map));
  return (name) => {
    const value = unwrap(values.get(name));
    if (typeof value !== 'string') throw unexpected(member);
    return value;
  };
}

/** The path of a unit's `Job` property, (uo); undefined when the id is 0. */
export function jobProperty(body: readonly unknown[], member: string): string | undefined {
  const job = unwrap(body[0]);
  if (!Array.isArray(job) || typeof job[0] !== 'number' || typeof job[1] !== 'string') {
    throw unexpected(member);
  }
  return job[0] === 0 ? undefined : job[1];
}

/** The body of JobRemoved, (uoss); undefined where it is another shape. */
export function jobRemoved(
  body: readonly unknown[],
): Readonly<{ path: string; unit: string; result: JobResult }> | undefined {
  const [, path, unit, result] = body;
  if (typeof path !== 'string' || typeof unit !== 'string') return undefined;
  // A word that a newer systemd has and this does not know is no success.
  return { path, unit, result: isJobResult(result) ? result : 'failed' };
}

function rows(body: readonly unknown[], member: string): readonly (readonly unknown[])[] {
  const [list] = body;
  if (!Array.isArray(list)) throw unexpected(member);
  return list.map((row: unknown) => {
    if (!Array.isArray(row)) throw unexpected(member);
    return row;
  });
}

const jobResults: Readonly<Record<JobResult, true>> = {
  running: true,
  done: true,
  canceled: true,
  timeout: true,
  failed: true,
  dependency: true,
  skipped: true,
  invalid: true,
  assert: true,
  unsupported: true,
  collected: true,
  once: true,
};

function isJobResult(value: unknown): value is JobResult {
  return typeof value === 'string' && Object.hasOwn(jobResults, value);
}

function unexpected(member: string): FleetError {
  return new FleetError('DBUS_CALL_FAILED', `systemd's reply to '${member}' has another shape`, {
    hint: 'This fleetd may be too old for this systemd: systemctl --version.',
    details: { member },
  });
}
