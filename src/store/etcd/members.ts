// Which member a call goes to, and whether a failed one is sent again. All calls stick to one member until it fails.
// Invariant: a request that may have been carried out is sent again only when that changes nothing (`resend: 'always'`).
import { FleetError } from '../../model/errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import { closedError, explain, type Failure } from './failure.ts';
import type { InFlight } from './in-flight.ts';
import type { Member, Try } from './member.ts';

/** ms; waits between two rounds over the members. */
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 500;

export interface CallOptions {
  /** 'always': reads, and writes that do no more when done twice. 'unlessSent': never after a failure that leaves it open. */
  readonly resend: 'always' | 'unlessSent';
  readonly signal: AbortSignal;
  /** Bounds the call; one try takes at most two fifths of it, so that other members have their turn. */
  readonly withinMs?: number;
}

export interface MembersOptions {
  readonly members: readonly Member[];
  readonly inFlight: InFlight;
  /** Bounds one try; a call settles within this times (members + 1). */
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly random: () => number;
}

export class Members {
  readonly #options: MembersOptions;
  #current: Member;

  constructor(options: MembersOptions) {
    this.#options = options;
    // Clients spread over the members.
    const { members, random } = options;
    const first = members[Math.floor(random() * members.length)] ?? members[0];
    if (first === undefined) throw new FleetError('CONFIG_INVALID', 'no etcd endpoint is given');
    this.#current = first;
  }

  /** The member that calls go to now. */
  get current(): Member {
    return this.#current;
  }

  get closed(): boolean {
    return this.#options.inFlight.closed;
  }

  /** Calls `ended` when the store is closed; answers how to stop that. */
  onClose(ended: () => void): () => void {
    return this.#options.inFlight.onClose(ended);
  }

  /** Tries on member after member until one answers, the answer is final, or the time is over. Throws FleetErrors and the signal's reason. */
  async call<Answer>(
    attempt: (member: Member, limits: Try) => Promise<Answer>,
    { resend, signal, withinMs = Infinity }: CallOptions,
  ): Promise<Answer> {
    const { clock, members } = this.#options;
    const requestTimeoutMs = Math.min(this.#options.requestTimeoutMs, withinMs * 0.4);
    const deadline = clock.now() + Math.min(requestTimeoutMs * (members.length + 1), withinMs);
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      if (this.closed) throw closedError();
      const member = this.#current;
      const timeoutMs = Math.min(requestTimeoutMs, deadline - clock.now());
      try {
        return await attempt(member, { timeoutMs, signal });
      } catch (error) {
        signal.throwIfAborted();
        if (this.closed) throw closedError();
        const failure = explain(error, member.endpoint);
        if (failure.tokenStale) member.forgetToken();
        else if (failure.again) this.leave(member);
        if (!failure.again) throw failure.error;
        if (failure.sent === 'maybe' && resend === 'unlessSent') throw ambiguous(failure);
        const pauseMs = this.#pauseMs(tries);
        if (clock.now() + pauseMs >= deadline) throw failure.error;
        if (pauseMs > 0) await this.#pause(pauseMs, signal);
      }
    }
  }

  /** Takes another member than `member` from now on, the one that failed longest ago. */
  leave(member: Member): void {
    member.failedAt = this.#options.clock.now();
    if (this.#current !== member) return;
    const { members } = this.#options;
    const from = members.indexOf(member);
    for (let step = 1; step < members.length; step += 1) {
      const other = members[(from + step) % members.length];
      if (other === undefined) continue;
      if (this.#current === member || other.failedAt < this.#current.failedAt)
        this.#current = other;
    }
  }

  /** No pause until each member had its turn; then longer and longer ones, jittered. */
  #pauseMs(tries: number): number {
    const { members, random } = this.#options;
    if (tries < members.length) return 0;
    const full = Math.min(BACKOFF_FIRST_MS * 2 ** (tries - members.length), BACKOFF_MAX_MS);
    return full * (0.5 + random() / 2);
  }

  /** Ends early, and without a word, when the store is closed. */
  async #pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    const { inFlight } = this.#options;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        done();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const done = inFlight.add(pauseMs, end);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

function ambiguous(failure: Failure): FleetError {
  return new FleetError('STORE_UNAVAILABLE', `${failure.error.message}; the write may be done`, {
    cause: failure.error,
    hint: 'Read again before writing again.',
    details: { ...failure.error.details, ambiguous: true },
  });
}
