// Which of fleetd's threads come first where there are fewer processors than work.
import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';

/** Of niceness: a ninth of the share that the other threads have, and all that they leave idle. */
const BEHIND = 10;

/** Puts the calling thread behind the process's others. Where the kernel refuses that it stays beside them, which costs time and nothing else. */
export function runBehindOtherThreads(): void {
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    setPriority(thread, Math.min(getPriority() + BEHIND, constants.priority.PRIORITY_LOW));
  } catch {
    // No /proc, or a filter of system calls that has no setpriority(2).
  }
}
