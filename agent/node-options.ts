// How Node is to be called for fleetd; read by whoever makes the command line, so it imports nothing.

/**
 * V8 gives what is new 16 MiB, and grows the rest by what survives there: with 500 units fleetd then has some 30 MB more, and right after
 * they have started up to 90. With 4 MiB it takes as much time for as many units; only a leader of 1,000,000 takes longer to place them.
 * So little is sooner cleared by the one thread than by several that must be woken and waited for.
 * The rest is cleared when it has grown by 150 %, not fourfold as on a host with much memory, and 2 s after it has grown quiet instead of 30:
 * without units fleetd has 84 MB and not 96, and 134 and not 180 after it has started and destroyed 500 a few times. At 60 % that would be 118,
 * but a listing of 10,000 units would take a fifth longer.
 */
export const nodeOptions: readonly string[] = [
  '--max-semi-space-size=4',
  '--no-parallel-scavenge',
  '--heap-growing-percent=150',
  '--gc-memory-reducer-start-delay-ms=2000',
];
