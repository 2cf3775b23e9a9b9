// Which job ended how: matches systemd's JobRemoved with the calls that made the jobs, in whatever order they come.
// Invariant: each tracked job settles exactly once; a result is kept early only while a call might still claim it.
import type { FleetError } from '../../src/model/errors.ts';
import type { JobResult } from '../../src/model/unit-state.ts';

/** A job of ours that has not ended. */
export interface UnfinishedJob {
  readonly path: string;
  readonly unit: string;
  readonly kind: 'start' | 'stop';
}

interface Tracked extends UnfinishedJob {
  resolve(result: JobResult): void;
  reject(error: FleetError): void;
}

/** `calling()`, then `track()` or `gaveUp()`; beside that `ended()` for each JobRemoved. */
export class JobResults {
  /** Two calls can share a job: systemd answers a start of what is being started with the same one. */
  readonly #tracked = new Map<string, Tracked[]>();
  readonly #early = new Map<string, JobResult>();
  #calls = 0;

  /** A call that will answer with a job's path is on its way. */
  calling(): void {
    this.#calls += 1;
  }

  /** That call failed. */
  gaveUp(): void {
    this.#calls -= 1;
    // JobRemoved may come before the reply that names the job, but not before the call.
    if (this.#calls === 0) this.#early.clear();
  }

  /** That call answered `job`; its result may be here already. */
  track(job: UnfinishedJob): Promise<JobResult> {
    const early = this.#early.get(job.path);
    this.gaveUp();
    if (early !== undefined) return Promise.resolve(early);
    const result = new Promise<JobResult>((resolve, reject) => {
      const tracked = { ...job, resolve, reject };
      const others = this.#tracked.get(job.path);
      if (others === undefined) this.#tracked.set(job.path, [tracked]);
      else others.push(tracked);
    });
    // Nobody needs to wait for a job; that its end is unknown is then no news to anyone.
    result.catch(() => undefined);
    return result;
  }

  /** systemd has removed the job at `path`. */
  ended(path: string, result: JobResult): void {
    const tracked = this.#tracked.get(path);
    if (tracked === undefined) {
      if (this.#calls > 0) this.#early.set(path, result);
      return;
    }
    this.#tracked.delete(path);
    for (const job of tracked) job.resolve(result);
  }

  /** Nobody will ever know how the job at `path` ended. */
  lost(path: string, error: FleetError): void {
    const tracked = this.#tracked.get(path) ?? [];
    this.#tracked.delete(path);
    for (const job of tracked) job.reject(error);
  }

  unfinished(): readonly UnfinishedJob[] {
    return [...this.#tracked.values()].flat();
  }
}
