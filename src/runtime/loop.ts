// The shape of every loop of fleetd: a pass, then wait for a change or for the interval.
import { withChildSignal } from './abort.ts';
import type { Clock } from './clock.ts';

export interface LoopOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  changed(signal: AbortSignal): Promise<void>;
  pass(signal: AbortSignal): Promise<void>;
}

/** Runs `pass` now, then after each change and at least every `intervalMs`; never two at a time. Rejects when aborted. */
export async function runLoop(options: LoopOptions): Promise<never> {
  const { clock, intervalMs, signal } = options;
  for (;;) {
    signal.throwIfAborted();
    await options.pass(signal);
    // Whichever of the two loses the race is disarmed when the child signal aborts.
    await withChildSignal(signal, async (child) => {
      const waits = [clock.sleep(intervalMs, child), options.changed(child)];
      try {
        await Promise.race(waits);
      } finally {
        for (const wait of waits) wait.catch(() => undefined);
      }
    });
  }
}
