// How Node is to be called for fleetd; read by whoever makes the command line, so it imports nothing.

/**
 * V8 gives what is new 16 MiB, and grows the rest by what survives there: with 500 units fleetd then has some 30 MB more, and right after
 * they have started up to 90. With 4 MiB it takes as much time for as many units; only a leader of 1,000,000 takes longer to place them.
 * So little is sooner cleared by the one thread than by several that must be woken and waited for.
 * And V8 has one thread beside it, not four: those that mark the heap of a large term kept the main thread of two cores waiting.
 * Of other options (heap.ts) V8 would make a hash that does not fit what Node has compiled for itself: fleetctl, which is of the same
 * executable, would start 10 ms later.
 */
export const nodeOptions: readonly string[] = [
  '--max-semi-space-size=4',
  '--no-parallel-scavenge',
  '--v8-pool-size=1',
];
