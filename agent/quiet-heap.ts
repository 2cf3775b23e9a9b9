// Clears the heap when fleetd has grown quiet. V8 does that when the heap has grown far, and what a hundred units leave behind is not far.
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../src/runtime/clock.ts';

const MiB = 2 ** 20;
const LOOK_MS = 2_000;
/** Between two looks: far more than renewals and reports leave behind. */
const GROWN_BYTES = MiB;
/** Looks without such growth; the garbage of what has just ended is then no longer held. */
const QUIET_LOOKS = 2;
/** What renewals and reports may leave behind in all: that of about a minute. */
const LEFT_BYTES = 8 * MiB;
/** Where that much is live V8 is left alone: a collection takes the event loop almost 1 ms a MiB of it. */
const LARGE_BYTES = 48 * MiB;
/** So it is in a process that is large for another reason, as by the thread of a large term: its processors have other work. */
const LARGE_RESIDENT_BYTES = 160 * MiB;

/** A heap that can be looked at and cleared. */
export interface Heap {
  /** bytes in use that a collection of the young does not reach */
  oldBytes(): number;
  /** bytes that the process has in memory */
  residentBytes(): number;
  clear(): void;
}

/** Clears `heap` when it has grown and no longer grows, and of what little by little stays there; until aborted. */
export async function clearWhenQuiet(
  heap: Heap,
  clock: Clock,
  signal: AbortSignal,
): Promise<never> {
  let last = heap.oldBytes();
  let live = last;
  let quietLooks = Infinity;
  for (;;) {
    await clock.sleep(LOOK_MS, signal);
    let now = heap.oldBytes();
    quietLooks = now - last >= GROWN_BYTES ? 0 : quietLooks + 1;
    const left = quietLooks > QUIET_LOOKS && now - live >= LEFT_BYTES;
    const small = live < LARGE_BYTES && heap.residentBytes() < LARGE_RESIDENT_BYTES;
    if ((quietLooks === QUIET_LOOKS || left) && small) {
      heap.clear();
      now = heap.oldBytes();
      live = now;
    }
    live = Math.min(live, now);
    last = now;
  }
}

/** This thread's. Node has no call for a collection; V8 has a function in each context that is made while it is told to. */
export function ownHeap(): Heap {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return {
    clear: () => collect(),
    residentBytes: () => process.memoryUsage.rss(),
    oldBytes: () =>
      getHeapSpaceStatistics()
        .filter(({ space_name: name }) => !name.startsWith('new_'))
        .reduce((sum, { space_used_size: used }) => sum + used, 0),
  };
}
