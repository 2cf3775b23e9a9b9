// What a stop of fleetd is to mean for the units: told from the job that systemd has pending on fleetd's own unit.
// Invariant: where it is not certain that the machine is to leave, units are left alone.
import { isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import { TimeoutError, withTimeout } from '../src/runtime/abort.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Systemd } from './systemd.ts';

export interface StopQuestion {
  readonly systemd: Systemd;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
}

/** The unit that fleetd runs as. */
export const OWN_UNIT = 'fleet.service' as UnitName;
/** ms; a D-Bus that is silent for longer says nothing. */
const ANSWER_MS = 1_000;

/** Says whether this machine is to leave the cluster: a stop of its service, or of a fleetd in the foreground. */
export async function shallLeave({ systemd, clock, env, pid }: StopQuestion): Promise<boolean> {
  // systemd.exec(5): set for what systemd has started itself; a shell in a service passes on the first alone.
  const isService = env['INVOCATION_ID'] !== undefined && env['SYSTEMD_EXEC_PID'] === String(pid);
  if (!isService) return true;
  try {
    const job = await withTimeout(clock, ANSWER_MS, (signal) =>
      systemd.pendingJob(OWN_UNIT, signal),
    );
    return job === 'stop';
  } catch (error) {
    if (isFleetError(error) || error instanceof TimeoutError) return false;
    throw error;
  }
}
