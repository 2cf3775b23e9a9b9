// A bound on how many things go on at once, first come first served.
// Invariant: at most `max` are held, and one who gave up waiting holds none.

/** `acquire`, then `release` exactly once. */
export class Slots {
  readonly #max: number;
  #held = 0;
  #queue: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#held < this.#max) {
      this.#held += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#queue = this.#queue.filter((waiting) => waiting !== enter);
        reject(signal.reason as Error);
      };
      this.#queue.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  release(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#held -= 1;
    else next(); // the place passes on
  }
}
