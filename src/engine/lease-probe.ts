// Which of the present machines have ceased to renew their leases: asked of the store when another has just vanished.
// Invariant: a machine is called silent only for what the store says of its own lease, never for want of an answer.
import { isFleetError } from '../model/errors.ts';
import { PROBED_MACHINES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Kv, LeaseId } from '../store/kv.ts';

export interface ProbedMachine {
  readonly id: MachineId;
  readonly lease: LeaseId;
  readonly ttlSec: number;
}

export interface Probe {
  /** Of those that were asked; in their order. */
  readonly silent: readonly MachineId[];
  readonly asked: number;
}

/** Asks the leases of at most PROBED_MACHINES_MAX, spread evenly over all. Throws what the store throws. */
export async function probeLeases(
  kv: Kv,
  machines: readonly ProbedMachine[],
  signal: AbortSignal,
): Promise<Probe> {
  const some = spread(machines, PROBED_MACHINES_MAX);
  const silences = await Promise.all(
    some.map(async ({ lease, ttlSec }) => isSilent(await leaseLeft(kv, lease, signal), ttlSec)),
  );
  const silent = some.filter((_, index) => silences[index]).map(({ id }) => id);
  return { silent, asked: some.length };
}

/**
 * A machine renews every third of its ttl, and so has two thirds left but for its jitter; one that died when another did has a third left
 * at most. The store rounds down: under a half is what is so with the whole second that may be missing.
 */
export function isSilent(leftSec: number, ttlSec: number): boolean {
  return leftSec + 1 <= ttlSec / 2;
}

/** Seconds, rounded down; -1 for a lease that is gone, whose keys go with it. */
export async function leaseLeft(kv: Kv, lease: LeaseId, signal: AbortSignal): Promise<number> {
  try {
    return await kv.leaseRemaining(lease, signal);
  } catch (error) {
    if (isFleetError(error, 'STORE_LEASE_GONE')) return -1;
    throw error;
  }
}

function spread<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, n) => all[Math.floor((n * all.length) / most)]).filter(
    (one) => one !== undefined,
  );
}
