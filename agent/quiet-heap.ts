// Clears the heap when fleetd has grown quiet. V8 does that when the heap has grown far, and what a hundred units leave behind is not far.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../src/runtime/clock.ts';

const MiB = 2 ** 20;
const LOOK_MS = 2_000;
/** Worth a collection of 20 ms. */
const GROWN_BYTES = 2 * MiB;
/** Between two looks: what renewals and reports leave at most. */
const QUIET_BYTES = MiB / 4;
/** Above that V8 is left alone: a collection takes the event loop 0.7 ms a MiB. */
const LARGE_BYTES = 48 * MiB;

/** A heap that can be looked at and cleared. */
export interface Heap {
  /** bytes in use that a collection of the young does not reach */
  oldBytes(): number;
  clear(): void;
}

/** Clears `heap` each time it has grown and no longer grows, until aborted. */
export async function clearWhenQuiet(
  heap: Heap,
  clock: Clock,
  signal: AbortSignal,
): Promise<never> {
  let least = heap.oldBytes();
  let last = least;
  for (;;) {
    await clock.sleep(LOOK_MS, signal);
    const now = heap.oldBytes();
    const quiet = Math.abs(now - last) < QUIET_BYTES;
    if (quiet && now - least >= GROWN_BYTES && now < LARGE_BYTES) {
      heap.clear();
      last = heap.oldBytes();
      least = last;
    } else {
      last = now;
      least = Math.min(least, now);
    }
  }
}

/** This thread's. Node has no call for a collection; V8 has a function in each context that is made while it is told to. */
export function ownHeap(): Heap {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return {
    clear: () => collect(),
    oldBytes: () =>
      getHeapSpaceStatistics()
        .filter(({ space_name: name }) => !name.startsWith('new_'))
        .reduce((sum, { space_used_size: used }) => sum + used, 0),
  };
}
