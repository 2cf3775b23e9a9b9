// When a host shuts down, systemd stops fleetd before what fleetd was started behind: sockets, paths and mounts wait for it, and it for them.
// Invariant: a stop is brought forward only while basic.target goes down, and only when nothing else of ours is ending.
import { isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import type { Systemd } from './systemd.ts';

export interface StuckStopsDeps {
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly log: Log;
  /** Units whose stop is awaited. */
  readonly stopping: () => readonly UnitName[];
}

/** ms between two looks, and how many in a row must find that nothing moves: what is ordered between units of others may end by itself. */
const LOOK_MS = 400;
const LOOKS = 3;

/** Brings stuck stops forward, until aborted. For a host that leaves. */
export async function unstickStops(deps: StuckStopsDeps, signal: AbortSignal): Promise<never> {
  let looks = 0;
  for (;;) {
    await deps.clock.sleep(LOOK_MS, signal);
    try {
      const stopping = deps.stopping();
      const stuck = await deps.systemd.stuckStops(stopping, signal);
      looks = stuck.length > 0 && stuck.length === stopping.length ? looks + 1 : 0;
      if (looks < LOOKS) continue;
      looks = 0;
      deps.log.info({ units: stuck }, 'stops wait for the end of fleetd, bringing them forward');
      for (const name of stuck) await deps.systemd.stopAhead(name, signal);
    } catch (error) {
      if (signal.aborted || !isFleetError(error)) throw error;
      deps.log.warn(
        { code: error.code, err: error.message },
        'stops cannot be looked at, retrying',
      );
    }
  }
}
