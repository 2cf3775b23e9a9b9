// How much work the API takes on at once: so many requests are carried out, so many wait, and what is more is refused before anything is done.
// Invariant: a request that is refused here has read and written nothing; a place that was given is given back once.
import { FleetError } from '../model/errors.ts';
import {
  BODIES_MAX_BYTES,
  BODY_SMALL_BYTES,
  REQUEST_WAIT_MAX_MS,
  REQUESTS_AT_ONCE_MAX,
  REQUESTS_WAITING_MAX,
} from '../model/limits.ts';
import { withChildSignal } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';

interface Waiting {
  readonly enter: () => void;
}

/** The places of one API. */
export class Admission {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #bodyBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Ends when the request may be carried out, first come first served; throws API_BUSY, where it waits for more than `waitMs` too. Call what it
   * answers when that is done.
   */
  async enter(signal: AbortSignal, waitMs = REQUEST_WAIT_MAX_MS): Promise<() => void> {
    if (this.#running < REQUESTS_AT_ONCE_MAX) this.#running += 1;
    else await this.#wait(signal, waitMs);
    return () => this.#leave();
  }

  /** Room for a body of `bytes`, undefined: not said; throws API_BUSY. Small ones always have room: connections bound them. */
  reserveBody(bytes: number | undefined, most: number): () => void {
    const size = Math.min(bytes ?? most, most);
    if (size <= BODY_SMALL_BYTES) return () => undefined;
    if (this.#bodyBytes + size > BODIES_MAX_BYTES)
      throw busy(`bodies of more than ${BODIES_MAX_BYTES} bytes are being sent`);
    this.#bodyBytes += size;
    return () => {
      this.#bodyBytes -= size;
    };
  }

  async #wait(signal: AbortSignal, waitMs: number): Promise<void> {
    if (this.#waiting.size >= REQUESTS_WAITING_MAX)
      throw busy(`${REQUESTS_WAITING_MAX} requests wait already`);
    await withChildSignal(signal, async (child) => {
      const { promise, resolve } = Promise.withResolvers<'entered'>();
      const waiting: Waiting = { enter: () => resolve('entered') };
      this.#waiting.add(waiting);
      const given = this.#clock.sleep(waitMs, child).then(() => 'late' as const);
      given.catch(() => undefined); // ends with the scope
      try {
        if ((await Promise.race([promise, given])) === 'entered') return;
      } catch (error) {
        if (!this.#waiting.delete(waiting)) this.#leave(); // it was let in, and is gone
        throw error;
      }
      if (!this.#waiting.delete(waiting)) return; // let in at the last moment
      throw busy(`it has waited for ${waitMs / 1000} s`);
    });
  }

  /** The place goes to the one that has waited for longest. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next.enter();
  }
}

function busy(why: string): FleetError {
  return new FleetError('API_BUSY', `this fleetd has more requests than it can take: ${why}`, {
    hint: 'Nothing was done; try again, or ask another fleetd.',
  });
}
