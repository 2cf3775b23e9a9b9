// Time is a port: loops ask a Clock, so that a simulation can turn it.
import { uptime } from 'node:os';

export interface Clock {
  /** Milliseconds of a clock that never jumps back; only differences mean anything. It stands still while the machine is suspended. */
  now(): number;
  /** The same, going on in suspend: what others' patience with this machine is measured by. In steps of 10 ms. */
  bootMs(): number;
  /** Wall-clock milliseconds since 1970, for display only. */
  wallNow(): number;
  /** Ends after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint()) / 1e6, // CLOCK_MONOTONIC, from its own beginning: systemd's timers count on it too
  bootMs: () => uptime() * 1000, // CLOCK_BOOTTIME
  wallNow: () => Date.now(),
  // Not timers/promises: a sleep that loses a race, as most do, would make an error with a stack each time.
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort);
        resolve();
      }, ms);
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, { once: true });
    }),
};
