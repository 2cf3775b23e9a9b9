// The brake of DESIGN §3, plainly: more than half of the machines vanished together, and at least two. Then nothing moves for 5 TTL.

/** A machine whose key is gone. */
export interface Vanished {
  readonly atMs: number;
  readonly orderly: boolean;
  /** Machines that were there then. */
  readonly left: number;
}

const BRAKE_TTLS = 5;
/** ms until the leader has seen the last of them go. */
const LATE_NEWS_MS = 20_000;

/** How many of how many vanished together, where the brake holds what the machine had; undefined where it does not. */
export function heldByBrake(
  vanished: ReadonlyMap<string, Vanished>,
  machine: string,
  { nowMs, ttlMs }: { nowMs: number; ttlMs: number },
): string | undefined {
  const mine = vanished.get(machine);
  if (mine === undefined || mine.orderly) return undefined;
  const together = [...vanished.values()].filter(
    ({ atMs, orderly }) => !orderly && Math.abs(atMs - mine.atMs) < ttlMs / 2,
  );
  const lastMs = Math.max(...together.map(({ atMs }) => atMs));
  // Who leaves in good order later was there when they went.
  const all = (together.find(({ atMs }) => atMs === lastMs)?.left ?? 0) + together.length;
  // One that went before the last was believed gone before the brake could hold.
  const isBraked = mine.atMs === lastMs && together.length >= 2 && together.length * 2 > all;
  const sinceMs = nowMs - lastMs;
  const isTime = sinceMs >= LATE_NEWS_MS && sinceMs <= BRAKE_TTLS * ttlMs - LATE_NEWS_MS;
  return isBraked && isTime ? `${together.length} of ${all} vanished together` : undefined;
}
