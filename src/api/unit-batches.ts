// Requests for units that a client makes at the same moment, or while others of it are under way: they travel in one.
// Invariant: each has the outcome that it would have had alone; none waits for another to be made.
import { isFleetError } from '../model/errors.ts';
import { BODY_SMALL_BYTES, UNIT_REQUESTS_MAX } from '../model/limits.ts';
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

/** under way at once: while they are, later requests gather. */
const UNDER_WAY_MAX = 2;

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
  ask(request: V2UnitRequest, signal: AbortSignal): Promise<V2Unit | undefined> {
    if (this.#isOld) return this.#send.alone(request, signal);
    const bytes = Buffer.byteLength(request.text ?? '');
    const settled = Promise.withResolvers<V2Unit | undefined>();
    this.#waiting.push({ request, bytes, signal, settled });
    // Behind all that is asked in this turn: a host that hears of many at once loads or unloads them at once.
    if (this.#waiting.length === 1) setImmediate(() => this.#pump());
    return settled.promise;
  }

  #pump(): void {
    while (this.#underWay < UNDER_WAY_MAX && this.#waiting.length > 0) {
      this.#underWay += 1;
      void this.#carryOut(this.#nextBatch());
    }
  }

  /** Those that have waited longest, of one caller, as many as go into a small body. */
  #nextBatch(): readonly Waiting[] {
    const [first] = this.#waiting;
    let count = 0;
    let bytes = 0;
    for (const one of this.#waiting) {
      bytes += one.bytes;
      const fits = count < UNIT_REQUESTS_MAX && bytes <= BODY_SMALL_BYTES / 2; // JSON may be longer
      if (count > 0 && (one.signal !== first?.signal || !fits)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #carryOut(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (first !== undefined && batch.length > 1 && !this.#isOld)
      await this.#together(batch, first.signal);
    else await Promise.all(batch.map((one) => this.#alone(one)));
    this.#underWay -= 1;
    this.#pump();
  }

  async #together(batch: readonly Waiting[], signal: AbortSignal): Promise<void> {
    let answers: readonly V2UnitAnswer[];
    try {
      answers = await this.#send.together(
        batch.map(({ request }) => request),
        signal,
      );
    } catch (error) {
      if (!isFleetError(error, 'NOT_FOUND', 'REQUEST_INVALID'))
        return batch.forEach(({ settled }) => settled.reject(error));
      this.#isOld = true; // nothing was done
      return void (await Promise.all(batch.map((one) => this.#alone(one))));
    }
    const settling = batch.map(async (one, i) => {
      const { status, unit, error } = answers[i] ?? { status: 0 };
      if (error === undefined) return one.settled.resolve(unit);
      const failure = failureIn(status, error);
      // Nothing was done: alone it is tried again, after a while and more than once.
      if (isFleetError(failure, 'API_BUSY', 'REGISTRY_BUSY')) return await this.#alone(one);
      return one.settled.reject(failure);
    });
    await Promise.all(settling);
  }

  async #alone({ request, signal, settled }: Waiting): Promise<void> {
    try {
      settled.resolve(await this.#send.alone(request, signal));
    } catch (error) {
      settled.reject(error);
    }
  }
}
