// A clock that stands still until a test turns it. Timers fire in due order, those of one moment in the order in which they were set.
// Invariant: between two timers every promise that can settle has settled.
import type { Clock } from '../../src/runtime/clock.ts';

interface Timer {
  readonly due: number;
  readonly sequence: number;
  fire: (() => void) | undefined;
}

/** The clock of tests and of the simulation. */
export class SimClock implements Clock {
  #now: number;
  #suspendedMs = 0;
  readonly #wallOffset: number;
  readonly #timers: Timer[] = [];
  #sequence = 0;
  #waiting = 0;

  constructor({ now = 1_000, wall = 1_700_000_000_000 } = {}) {
    this.#now = now;
    this.#wallOffset = wall - now;
  }

  now(): number {
    return this.#now;
  }

  bootMs(): number {
    return this.#now + this.#suspendedMs;
  }

  wallNow(): number {
    return this.#wallOffset + this.#now + this.#suspendedMs;
  }

  /** The machine sleeps for `ms`: no timer comes nearer. */
  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }

  /** Sleepers that were neither woken nor aborted. */
  get waiting(): number {
    return this.#waiting;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      this.#sequence += 1;
      const timer: Timer = {
        due: this.#now + Math.max(0, ms),
        sequence: this.#sequence,
        fire: undefined,
      };
      const abort = (): void => {
        timer.fire = undefined;
        this.#waiting -= 1;
        reject(signal.reason as Error);
      };
      timer.fire = () => {
        signal.removeEventListener('abort', abort);
        this.#waiting -= 1;
        resolve();
      };
      signal.addEventListener('abort', abort, { once: true });
      this.#waiting += 1;
      push(this.#timers, timer);
    });
  }

  /** Calls `fire` after `ms`, unless the answer is called before. */
  schedule(ms: number, fire: () => void): () => void {
    this.#sequence += 1;
    const due = this.#now + Math.max(0, ms);
    const timer: Timer = { due, sequence: this.#sequence, fire };
    push(this.#timers, timer);
    return () => {
      timer.fire = undefined;
    };
  }

  /** Turns the clock by `ms`: everything that is due in that time happens, also what is set on the way. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.advanceUntil(() => false, ms);
    this.#now = end;
  }

  /** Turns the clock from timer to timer until `done` says so; answers whether it did within `maxMs`. */
  async advanceUntil(done: () => boolean, maxMs: number): Promise<boolean> {
    const end = this.#now + maxMs;
    for (;;) {
      await settled();
      if (done()) return true;
      const next = this.#next();
      if (next === undefined || next.due > end) return false;
      pop(this.#timers);
      this.#now = Math.max(this.#now, next.due);
      next.fire?.();
    }
  }

  /** The next timer that was not aborted. */
  #next(): Timer | undefined {
    while (this.#timers[0] !== undefined && this.#timers[0].fire === undefined) pop(this.#timers);
    return this.#timers[0];
  }
}

/** Ends when no promise can settle any more: the event loop comes back only when its queue of them is empty. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(a: Timer, b: Timer): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}

/** Binary heap: the earliest timer is at 0. */
function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
