// Which threads of a process stand behind it, as the kernel tells it.
import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';

/** How many threads have a lower priority than the process's first. */
export function threadsBehind(pid: number): number {
  const first = getPriority(pid);
  return readdirSync(`/proc/${pid}/task`).filter((thread) => getPriority(Number(thread)) > first)
    .length;
}
