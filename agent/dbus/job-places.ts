// How many jobs systemd may have unfinished: `youngMax` that are younger than `slowMs`, `totalMax` of any age.
// Invariant: first come, first served; a job that hangs never keeps a later one waiting for longer than `slowMs`.
import type { Clock } from '../../src/runtime/clock.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import { Wake } from '../../src/runtime/wake.ts';

export interface JobPlacesOptions {
  readonly clock: Clock;
  readonly youngMax: number;
  readonly totalMax: number;
  readonly slowMs: number;
}

/** A place held by one job. */
export interface JobPlace {
  /** The job has ended; more than once is the same as once. */
  release(): void;
}

/** `run()` must be running for a place to be passed on because of age. */
export class JobPlaces {
  readonly #options: JobPlacesOptions;
  /** When each held place was taken, in that order. */
  readonly #young = new Map<JobPlace, number>();
  readonly #slow = new Set<JobPlace>();
  readonly #queue = new Set<(place: JobPlace) => void>();
  readonly #queued = new Wake();

  constructor(options: JobPlacesOptions) {
    this.#options = options;
  }

  /** How many wait for a place. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Waits for a place; one who gives up holds none. */
  async acquire(signal: AbortSignal): Promise<JobPlace> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const enter = (place: JobPlace): void => {
        signal.removeEventListener('abort', leave);
        resolve(place);
      };
      const leave = (): void => {
        this.#queue.delete(enter);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#queue.add(enter);
      this.#admit();
      if (this.#queue.size > 0) this.#queued.set();
    });
  }

  /** Lets waiting ones in as places grow old. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, slowMs } = this.#options;
    for (;;) {
      await this.#queued.changed(signal);
      while (this.#queue.size > 0 && this.#young.size > 0) {
        const [oldest = clock.now()] = this.#young.values();
        const dueMs = Math.max(1, oldest + slowMs - clock.now());
        await withChildSignal(signal, (child) => clock.sleep(dueMs, child));
        this.#admit();
      }
    }
  }

  #admit(): void {
    const { clock, youngMax, totalMax, slowMs } = this.#options;
    const now = clock.now();
    for (const [place, since] of this.#young) {
      if (now - since < slowMs) break;
      this.#young.delete(place);
      this.#slow.add(place);
    }
    for (const enter of this.#queue) {
      if (this.#young.size >= youngMax || this.#young.size + this.#slow.size >= totalMax) return;
      this.#queue.delete(enter);
      const place: JobPlace = {
        release: () => {
          this.#young.delete(place);
          this.#slow.delete(place);
          this.#admit();
          if (this.#queue.size > 0) this.#queued.set();
        },
      };
      this.#young.set(place, now);
      enter(place);
    }
  }
}
