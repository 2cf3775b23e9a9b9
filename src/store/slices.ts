// Long work in short slices, so that renewals of leases and requests never wait for it.
import type { Clock } from '../runtime/clock.ts';

/** ms; half of what may pass, because one step more is done after the look at the clock. */
const SLICE_MS = 10;

/** Work calls `breathe` between two steps. On a clock that stands still it never waits. */
export class Slices {
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  #end: number;

  constructor(clock: Clock, signal: AbortSignal) {
    this.signal = signal;
    this.#clock = clock;
    this.#end = clock.now() + SLICE_MS;
  }

  /** Lets everything else run when the slice is over; rejects when aborted. */
  async breathe(): Promise<void> {
    if (this.#clock.now() < this.#end) return;
    await this.#clock.sleep(0, this.signal);
    this.#end = this.#clock.now() + SLICE_MS;
  }
}
