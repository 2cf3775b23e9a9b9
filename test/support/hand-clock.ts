// A clock that a test turns by hand.
import type { Clock } from '../../src/runtime/clock.ts';

export interface HandClock extends Clock {
  /** Lets `ms` pass, wakes what is due in its order, and lets that run. */
  pass(ms: number): Promise<void>;
}

export function handClock(): HandClock {
  let now = 0;
  const sleepers = new Set<{ dueMs: number; wake: () => void }>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    bootMs: () => now,
    wallNow: () => now,
    sleep(ms, signal) {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const sleeper = { dueMs: now + ms, wake: resolve };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason as Error);
        });
      });
    },
    async pass(ms) {
      const until = now + ms;
      await settle();
      for (;;) {
        const [next] = [...sleepers].sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined || next.dueMs > until) break;
        now = next.dueMs;
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      now = until;
    },
  };
}
