#!/usr/bin/env node
// fleetd, the process: its name, its arguments, its status. And the first code of its threads.
// Invariant: a thread has its place behind the others before it loads anything large, so nothing large is imported here.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { TermOrder } from './term-messages.ts';
import { runBehindOtherThreads } from './thread-priority.ts';

if (isMainThread) {
  process.title = 'fleetd'; // pidof fleetd finds it
  // Not left to the event loop: a connection to a store that no packet reaches ends only when TCP gives up, minutes later.
  void import('./program.ts')
    .then(({ fleetd }) => fleetd(process.argv.slice(2)))
    .then((status) => process.exit(status));
} else if (parentPort !== null) {
  const port = parentPort;
  runBehindOtherThreads();
  void import('./term-worker.ts').then(({ runTermWorker }) =>
    runTermWorker(port, workerData as TermOrder),
  );
}
