// A host's lease that a test renews by hand.
import type { LeaseView } from '../../agent/cut-off.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Wake } from '../../src/runtime/wake.ts';

/** Confirmed when `renew` is called. */
export class HandLease implements LeaseView {
  readonly ttlMs: number;
  readonly #wake = new Wake();
  #deadlineMs = -Infinity;

  constructor(ttlMs: number) {
    this.ttlMs = ttlMs;
  }

  deadlineMs(): number {
    return this.#deadlineMs;
  }

  renew(leftMs = this.ttlMs): void {
    this.#deadlineMs = systemClock.bootMs() + leftMs;
    this.#wake.set();
  }

  renewed(signal: AbortSignal): Promise<void> {
    return this.#wake.changed(signal);
  }
}
