// Loops that live and die together.
import { withChildSignal } from './abort.ts';

/** Runs all `tasks` under one child signal. The first that ends, well or not, aborts the others; all have ended when this does. */
export async function runTogether(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<unknown>)[],
): Promise<void> {
  let running: readonly Promise<unknown>[] = [];
  try {
    await withChildSignal(signal, async (child) => {
      running = tasks.map((task) => task(child));
      await Promise.race(running);
    });
  } finally {
    await Promise.allSettled(running);
  }
}
