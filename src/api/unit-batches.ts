// Requests for units that a client makes at the same moment, or while others of it are under way: they travel in one.
// Invariant: each has the outcome that it would have had alone; none waits for another to be made.
import { isFleetError } from '../model/errors.ts';
import { BODY_SMALL_BYTES, UNIT_REQUESTS_MAX } from '../model/limits.ts';
import { systemClock } from '../runtime/clock.ts';
import { failureIn } from './client-errors.ts';
import type { V2Unit, V2UnitAnswer, V2UnitRequest } from './types.ts';

export interface SendUnits {
  /** Sends one by itself; also tries again where the server has too much to do. */
  readonly alone: (request: V2UnitRequest, signal: AbortSignal) => Promise<V2Unit | undefined>;
  /** Sends several, answers for each. */
  readonly together: (
    requests: readonly V2UnitRequest[],
    signal: AbortSignal,
  ) => Promise<readonly V2UnitAnswer[]>;
}

interface Waiting {
  readonly request: V2UnitRequest;
  readonly bytes: number;
  readonly signal: AbortSignal;
  readonly settled: PromiseWithResolvers<V2Unit | undefined>;
}

/** under way at once: while they are, later requests gather, */
const UNDER_WAY_MAX = 2;
/** but for so many ms only; or so many where each goes by itself. */
const GATHER_MAX_MS = 250;
const ALONE_MAX = 32;
/** ms until one that was refused because the server has too much to do is tried alone; what was refused with it follows one by one. */
const BUSY_MS = 1_000;
const BUSY_APART_MS = 20;

/** The requests of one client. */
export class UnitBatches {
  readonly #send: SendUnits;
  #waiting: Waiting[] = [];
  #underWay = 0;
  /** The server is of a version that takes them one by one only. */
  #isOld = false;

  constructor(send: SendUnits) {
    this.#send = send;
  }

  /** The unit as it then is; nothing for one that was destroyed. */
  async ask(request: V2UnitRequest, signal: AbortSignal): Promise<V2Unit | undefined> {
    signal.throwIfAborted();
    const bytes = Buffer.byteLength(request.text ?? '');
    const one = { request, bytes, signal, settled: Promise.withResolvers<V2Unit | undefined>() };
    this.#waiting.push(one);
    // Behind all that is asked in this turn: a host that hears of many at once loads or unloads them at once.
    if (this.#waiting.length === 1) setImmediate(() => this.#pump());
    const done = new AbortController();
    const late = systemClock.sleep(GATHER_MAX_MS, done.signal).then(() => this.#sendLate(one));
    late.catch(() => undefined); // it was not
    const abort = (): void => {
      this.#take(one);
      one.settled.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await one.settled.promise;
    } finally {
      done.abort();
      signal.removeEventListener('abort', abort);
    }
  }

  #pump(): void {
    const max = this.#isOld ? ALONE_MAX : UNDER_WAY_MAX;
    while (this.#underWay < max && this.#waiting.length > 0) void this.#carryOut(this.#nextBatch());
  }

  /** It has waited for long enough: what is under way may hang. */
  #sendLate(one: Waiting): void {
    if (!this.#isOld && this.#waiting.includes(one)) void this.#carryOut(this.#nextBatch());
  }

  #take(one: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== one);
  }

  /** Those that have waited longest, of one caller, as many as go into a small body. */
  #nextBatch(): readonly Waiting[] {
    const [first] = this.#waiting;
    let count = 0;
    let bytes = 0;
    for (const one of this.#waiting) {
      bytes += one.bytes;
      const isFull = count === UNIT_REQUESTS_MAX || bytes > BODY_SMALL_BYTES / 2; // JSON may be longer
      if (count > 0 && (this.#isOld || isFull || one.signal !== first?.signal)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #carryOut(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (first === undefined) return;
    this.#underWay += 1;
    try {
      if (batch.length === 1) await this.#alone(first);
      else await this.#together(batch, first.signal);
    } catch (error) {
      for (const { settled } of batch) settled.reject(error);
    } finally {
      this.#underWay -= 1;
      this.#pump();
    }
  }

  async #together(batch: readonly Waiting[], signal: AbortSignal): Promise<void> {
    const requests = batch.map(({ request }) => request);
    let answers: readonly V2UnitAnswer[];
    try {
      answers = await this.#send.together(requests, signal);
    } catch (error) {
      if (!isFleetError(error, 'NOT_FOUND', 'REQUEST_INVALID')) throw error;
      this.#isOld = true; // nothing was done
      this.#waiting.unshift(...batch);
      return;
    }
    let refused = 0;
    for (const [i, { status, unit, error }] of answers.entries()) {
      const one = batch[i];
      if (one === undefined) continue;
      const failure = error === undefined ? undefined : failureIn(status, error);
      if (failure === undefined) one.settled.resolve(unit);
      else if (isFleetError(failure, 'API_BUSY', 'REGISTRY_BUSY')) {
        refused += 1;
        void this.#aloneLater(one, BUSY_MS + refused * BUSY_APART_MS);
      } else one.settled.reject(failure);
    }
  }

  /** Nothing was done of it: alone it is also tried more than once. */
  async #aloneLater(one: Waiting, waitMs: number): Promise<void> {
    try {
      await systemClock.sleep(waitMs, one.signal);
      await this.#alone(one);
    } catch (error) {
      one.settled.reject(error);
    }
  }

  async #alone({ request, signal, settled }: Waiting): Promise<void> {
    try {
      settled.resolve(await this.#send.alone(request, signal));
    } catch (error) {
      settled.reject(error);
    }
  }
}
