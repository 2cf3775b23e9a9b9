// Time is a port: loops ask a Clock, so that a simulation can turn it.
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds of a clock that never jumps back; only differences mean anything. */
  now(): number;
  /** Wall-clock milliseconds since 1970, for display only. */
  wallNow(): number;
  /** Ends after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  async sleep(ms, signal) {
    signal.throwIfAborted();
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};
