// What the network between one machine and the store does just now.
// Invariant: faults add up and are taken back one by one: whatever was switched on is off when its time is over.
import type { Random } from './random.ts';

/**
 * `silent`: nothing arrives. `refused`: neither, and it is known at once. `answers`: requests arrive and their answers do not.
 */
export type Cut = 'silent' | 'refused' | 'answers';

/** What becomes of one request. */
export interface Fate {
  readonly isRefused: boolean;
  readonly isRequestLost: boolean;
  readonly isAnswerLost: boolean;
  readonly requestMs: number;
  readonly answerMs: number;
}

/** A machine's network; the store's own troubles are in the one that all machines share. */
export class Network {
  readonly #cuts: Cut[] = [];
  readonly #losses: number[] = [];
  readonly #slows: number[] = [];
  readonly #lags: number[] = [];
  #duplicating = 0;
  readonly #breaks = new Set<() => void>();
  readonly #shared: Network | undefined;

  /** `shared` holds the faults that concern every machine. */
  constructor(shared?: Network) {
    this.#shared = shared;
  }

  /** Nothing gets through in both directions. */
  get isCut(): boolean {
    return this.#cuts.length > 0 || this.#shared?.isCut === true;
  }

  get losesRequests(): boolean {
    const mine = this.#cuts.some((cut) => cut !== 'answers');
    return mine || this.#shared?.losesRequests === true;
  }

  get losesAnswers(): boolean {
    return this.isCut;
  }

  get watchLagMs(): number {
    return Math.max(0, ...this.#lags, this.#shared?.watchLagMs ?? 0);
  }

  get duplicates(): boolean {
    return this.#duplicating > 0;
  }

  /** Nothing is wrong with the machine's own network. */
  get isHealthy(): boolean {
    const faults = [this.#cuts, this.#losses, this.#slows, this.#lags];
    return faults.every((some) => some.length === 0);
  }

  /** What becomes of the next request. */
  fate(random: Random): Fate {
    const loss = Math.max(0, ...this.#losses, this.#shared?.loss ?? 0);
    const slowMs = Math.max(0, ...this.#slows, this.#shared?.slowMs ?? 0);
    const isLost = loss > 0 && random.chance(loss);
    const isLate = isLost && random.chance(0.3);
    const isRequestLost = isLost && !isLate && random.chance(0.5);
    const requestMs = isLate ? random.between(1_000, 9_000) : random.between(0.2, 2);
    return {
      isRefused: this.#cuts.includes('refused') || this.#shared?.isRefusing === true,
      isRequestLost,
      isAnswerLost: isLost && !isRequestLost && !isLate,
      requestMs: requestMs + (slowMs > 0 ? random.between(0, slowMs) : 0),
      answerMs: random.chance(0.3) ? random.between(0.2, 2) : 0,
    };
  }

  get loss(): number {
    return Math.max(0, ...this.#losses);
  }

  get slowMs(): number {
    return Math.max(0, ...this.#slows);
  }

  get isRefusing(): boolean {
    return this.#cuts.includes('refused');
  }

  /** Each answers how it is taken back. */
  cut(cut: Cut): () => void {
    return added(this.#cuts, cut);
  }

  lose(probability: number): () => void {
    return added(this.#losses, probability);
  }

  slow(ms: number): () => void {
    return added(this.#slows, ms);
  }

  lag(ms: number): () => void {
    return added(this.#lags, ms);
  }

  duplicate(): () => void {
    this.#duplicating += 1;
    return () => (this.#duplicating -= 1);
  }

  /** Every stream breaks. */
  break(): void {
    for (const notice of this.#breaks) notice();
  }

  onBreak(notice: () => void): () => void {
    this.#breaks.add(notice);
    const forget = this.#shared?.onBreak(notice);
    return () => {
      this.#breaks.delete(notice);
      forget?.();
    };
  }
}

function added<T>(to: T[], item: T): () => void {
  to.push(item);
  return () => {
    const at = to.indexOf(item);
    if (at >= 0) to.splice(at, 1);
  };
}
