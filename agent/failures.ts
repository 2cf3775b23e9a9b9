// Why units are failed: their Result, asked of systemd once a failure.
// Invariant: what cannot be asked now is reported without a reason, and asked again with the next look.
import { isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Look } from '../src/reconcile/host-rows.ts';
import type { Systemd } from './systemd.ts';

/**
 * The looks, with the reason of what is failed: that of the last look where nothing was carried out since, else systemd's. A failure
 * that follows another between two looks keeps its reason.
 */
export async function withFailures(
  systemd: Systemd,
  looks: ReadonlyMap<UnitName, Look>,
  last: ReadonlyMap<UnitName, Look>,
  signal: AbortSignal,
): Promise<Map<UnitName, Look>> {
  const found = new Map(looks);
  const failed = [...looks].filter(([, { state }]) => state.activeState === 'failed');
  // How many calls are under way at once is the adapter's to bound.
  await Promise.all(
    failed.map(async ([name, look]) => {
      const before = last.get(name);
      const known = before?.done === look.done ? before.failure : undefined;
      const failure = known ?? (await failureOf(systemd, name, signal));
      if (failure !== undefined) found.set(name, { ...look, failure });
    }),
  );
  return found;
}

/** `success` is that of a unit which was started again since its state was read. */
async function failureOf(
  systemd: Systemd,
  name: UnitName,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const result = await systemd.result(name, signal);
    return result === 'success' ? undefined : result;
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return undefined;
  }
}
