// What a process may gather while it runs: memory after a forced collection, descriptors, timers; and whether that grows.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const MB = 1024 * 1024;

/** One look; sizes in MB, after a full collection. */
export interface Sample {
  readonly atMs: number;
  readonly rssMb: number;
  readonly heapMb: number;
  /** Buffers and other memory that JavaScript holds outside of its heap. */
  readonly externalMb: number;
  readonly descriptors: number;
  /** Handles and requests that keep the process alive: sockets, timers, … */
  readonly resources: number;
}

/** Collects, and measures what is left. Needs --expose-gc. */
export async function sample(): Promise<Sample> {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('run node with --expose-gc');
  for (let i = 0; i < 3; i += 1) {
    gc();
    await delay(20); // finalizers run between two collections
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    atMs: performance.now(),
    rssMb: rss / MB,
    heapMb: heapUsed / MB,
    externalMb: external / MB,
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
  };
}

type Figure = Exclude<keyof Sample, 'atMs'>;

/** By how much a figure may grow from the second quarter of the samples to the last: whichever of the two is more. */
const MAY_GROW: Readonly<Record<Figure, Readonly<{ share: number; by: number }>>> = {
  rssMb: { share: 0.15, by: 15 },
  heapMb: { share: 0.08, by: 3 },
  externalMb: { share: 0.2, by: 3 },
  descriptors: { share: 0, by: 12 },
  resources: { share: 0.1, by: 20 },
};

export interface Growth {
  readonly figure: Figure;
  /** Medians of the second and of the last quarter. */
  readonly before: number;
  readonly after: number;
  readonly isFlat: boolean;
}

/** Compares the last quarter of the samples with the second; the first is warming up. */
export function growthOf(samples: readonly Sample[]): readonly Growth[] {
  const quarter = Math.floor(samples.length / 4);
  const [second, last] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  if (quarter === 0) return [];
  return (Object.keys(MAY_GROW) as Figure[]).map((figure) => {
    const [before, after] = [second, last].map((some) => median(some.map((one) => one[figure])));
    const { share, by } = MAY_GROW[figure];
    const isFlat = after! - before! <= Math.max(before! * share, by);
    return { figure, before: before!, after: after!, isFlat };
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
