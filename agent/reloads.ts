// The reloads of systemd, and how long one is worth waiting for: systemd looks at all that it has, so a batch more costs one more.
// Invariant: a wait to save a reload is bounded, whatever a reload takes.
import type { HostPlan } from '../src/reconcile/host-plan.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Systemd } from './systemd.ts';

/** ms */
const WORTH_MAX_MS = 1_000;
/** ms; what has stopped waits no longer than this for others that stop, to be unloaded with them. */
const TOGETHER_MS = 3_000;

/** Reloads, and measures. */
export class Reloads {
  readonly #systemd: Systemd;
  readonly #clock: Clock;
  #lastMs = 0;
  /** Since when units that have stopped wait to be unloaded. */
  #unloadsSinceMs: number | undefined;

  constructor({ systemd, clock }: { readonly systemd: Systemd; readonly clock: Clock }) {
    this.#systemd = systemd;
    this.#clock = clock;
  }

  /** ms that one may wait to save a reload: what the last one took. */
  get worthMs(): number {
    return Math.min(this.#lastMs, WORTH_MAX_MS);
  }

  /** A plan was made. */
  planned({ unloadsLater }: HostPlan): void {
    this.#unloadsSinceMs = unloadsLater ? (this.#unloadsSinceMs ?? this.#clock.now()) : undefined;
  }

  /** ms after which what has stopped is unloaded, whatever else is about to stop; Infinity where nothing waits. */
  unloadsWithinMs(): number {
    return (this.#unloadsSinceMs ?? Infinity) + TOGETHER_MS - this.#clock.now();
  }

  /** Has systemd read all unit files anew. */
  async reload(signal: AbortSignal): Promise<void> {
    const began = this.#clock.now();
    await this.#systemd.reload(signal);
    this.#lastMs = this.#clock.now() - began;
  }
}
