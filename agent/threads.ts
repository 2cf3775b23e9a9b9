// fleetd's threads: each is the program itself, told by its first data that it is none of its own.
import { getAsset, isSea } from 'node:sea';
import { Worker } from 'node:worker_threads';
import type { ThreadOptions } from './term-thread.ts';

/** The name under which the packaged executable has its own first code. */
const LOADER = 'loader.js';

/** Starts a thread for a term. */
export function spawnTerm({ order, heapMaxMiB }: ThreadOptions): Worker {
  const options = {
    name: 'term',
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: heapMaxMiB },
    // Node would take hold of its own stdout for that of the thread, and the log would then find it busy where it is only slow.
    stdout: true,
    stderr: true,
  };
  // An executable has no files that a thread could be given.
  if (isSea()) return new Worker(getAsset(LOADER, 'utf8'), { ...options, eval: true });
  return new Worker(new URL('./main.ts', import.meta.url), options);
}
