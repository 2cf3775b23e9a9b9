// When the units that may not outlive this host's lease are stopped, and killed, if it is never renewed again (`OnPartition=stop`).
// Invariant: all of it lies before the deadline, from which on the unit may be started elsewhere.
import type { UnitName } from '../model/unit.ts';

export interface CutOffUnit {
  readonly name: UnitName;
  /** Its TimeoutStopSec= in ms; undefined for none, or where systemd has none for the type. */
  readonly stopTimeoutMs: number | undefined;
}

export interface CutOffTimes {
  /** Earliest first; times as the deadline's. */
  readonly stops: readonly Readonly<{ atMs: number; names: readonly UnitName[] }>[];
  /** SIGKILL for what is left of all of them. */
  readonly killAtMs: number;
}

/** ms */
const KILLED_MS = 1_000;

/** The times for one deadline: when the last confirmed renewal was sent, and the ttl. */
export function cutOffTimes(
  { deadlineMs, ttlMs }: Readonly<{ deadlineMs: number; ttlMs: number }>,
  units: readonly CutOffUnit[],
): CutOffTimes {
  const groups = new Map<number, UnitName[]>();
  for (const { name, stopTimeoutMs } of units) {
    const atMs = deadlineMs - leadMs(ttlMs, stopTimeoutMs);
    groups.set(atMs, [...(groups.get(atMs) ?? []), name]);
  }
  const stops = [...groups]
    .map(([atMs, names]) => ({ atMs, names: names.toSorted() }))
    .toSorted((a, b) => a.atMs - b.atMs);
  return { stops, killAtMs: deadlineMs - killLeadMs(ttlMs) };
}

/** ms before the deadline at which the stop begins: as long as the unit may take, but no more than a third of the ttl. */
export function leadMs(ttlMs: number, stopTimeoutMs: number | undefined): number {
  return Math.min((stopTimeoutMs ?? Infinity) + killLeadMs(ttlMs), ttlMs / 3);
}

/** ms before the deadline at which nothing is left of such a unit. A ttl below 10 s, which is for tests, has room for a tenth only. */
export function killLeadMs(ttlMs: number): number {
  return Math.min(KILLED_MS, ttlMs / 10);
}
