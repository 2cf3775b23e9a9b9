// Why the units of a machine that is away are not placed elsewhere, and until when: from what the leader has recorded of it.
// Invariant: times are the leader's wall clock, in UTC.
import type { MachineId } from '../model/machine.ts';
import type { Away } from '../registry/read-away.ts';

/** Sentences about one machine that is away; `nowMs` is wall-clock ms. */
export function awayLines(
  machine: MachineId,
  { host, brake }: Away,
  nowMs: number,
): readonly string[] {
  const short = machine.slice(0, 8);
  const seen = host?.absentSinceMs ?? host?.lastSeenMs;
  const since = seen === undefined ? '' : ` since ${utc(seen)}`;
  const lines = [
    `it is placed on machine ${short}, which is absent${since}, and has not been placed elsewhere`,
  ];
  if (host?.evict === true || host?.absentSinceMs !== undefined) return lines;
  if (brake !== undefined && nowMs < brake.untilMs)
    return [
      ...lines,
      `the brake holds it there until ${utc(brake.untilMs)}: ${brake.machines.length} machines, more than half, vanished at once, which looks like a fault of the network`,
      `if machine ${short} is really gone, move its units now: fleetctl evict ${short}`,
    ];
  return [...lines, `the engine has not judged yet whether machine ${short} is gone`];
}

/** `2026-01-31 23:59:59 UTC` */
function utc(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
