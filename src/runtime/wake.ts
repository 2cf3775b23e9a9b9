// A flag that wakes one loop: events set it, the loop does the work.
import { withChildSignal } from './abort.ts';
import type { Clock } from './clock.ts';

/** Set any number of times, consumed once. `changed` ends at once when the flag is already up. */
export class Wake {
  #up = false;
  #waiters = new Set<() => void>();

  set(): void {
    this.#up = true;
    for (const wake of this.#waiters) wake();
  }

  /** Ends when the flag is up, and takes it down; rejects when `signal` aborts first. */
  async changed(signal: AbortSignal): Promise<void> {
    while (!this.#up) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#waiters.add(done);
        signal.addEventListener('abort', done, { once: true });
      });
    }
    this.#up = false;
  }

  /** As `changed`, and ends after so many ms too. */
  async changedWithin(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    await withChildSignal(signal, async (child) => {
      const waits = [clock.sleep(ms, child), this.changed(child)];
      for (const wait of waits) wait.catch(() => undefined);
      await Promise.race(waits);
    });
  }
}
