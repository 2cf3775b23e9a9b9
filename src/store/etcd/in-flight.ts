// The calls that are under way: each ends when its time is over, and all of them when the store is closed.
// Invariant: `end` is called at most once an entry, and never after its `done`.
import type { Clock } from '../../runtime/clock.ts';
import type { EndReason } from './failure.ts';

/** ms between two looks at the deadlines: one timer for all calls costs less than one each. */
const LOOK_EVERY_MS = 50;

interface Entry {
  readonly expiresAt: number;
  readonly end: (reason: EndReason) => void;
}

/** Ends calls late rather than never: up to LOOK_EVERY_MS behind their deadline. */
export class InFlight {
  readonly #clock: Clock;
  readonly #entries = new Set<Entry>();
  readonly #stop = new AbortController();
  #looking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Calls `ended` when the store is closed, for what has no deadline; answers how to stop that. */
  onClose(ended: () => void): () => void {
    this.#stop.signal.addEventListener('abort', ended, { once: true });
    return () => this.#stop.signal.removeEventListener('abort', ended);
  }

  /** Calls `end('timeout')` after `timeoutMs`, or `end('closed')` on close, unless the returned function was called before. */
  add(timeoutMs: number, end: (reason: EndReason) => void): () => void {
    const entry: Entry = { expiresAt: this.#clock.now() + timeoutMs, end };
    this.#entries.add(entry);
    if (!this.#looking) this.#look();
    return () => void this.#entries.delete(entry);
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
    this.#endWhere(() => true, 'closed');
  }

  #look(): void {
    this.#looking = true;
    this.#clock.sleep(LOOK_EVERY_MS, this.#stop.signal).then(
      () => {
        const now = this.#clock.now();
        this.#endWhere((entry) => entry.expiresAt <= now, 'timeout');
        this.#looking = false;
        if (this.#entries.size > 0) this.#look();
      },
      () => undefined, // closed
    );
  }

  #endWhere(matches: (entry: Entry) => boolean, reason: EndReason): void {
    for (const entry of this.#entries) {
      if (!matches(entry)) continue;
      this.#entries.delete(entry);
      entry.end(reason);
    }
  }
}
