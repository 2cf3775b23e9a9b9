// Why units have failed: their Result, asked of systemd once a failure.
// Invariant: only what is failed now has one; what cannot be asked is reported without, and asked again.
import { isFleetError } from '../src/model/errors.ts';
import type { SystemdState } from '../src/model/unit-state.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Systemd } from './systemd.ts';

/** The results of units that were seen to have failed. A failure that follows another between two looks keeps its result. */
export class FailureResults {
  readonly #systemd: Systemd;
  readonly #results = new Map<UnitName, string>();

  constructor(systemd: Systemd) {
    this.#systemd = systemd;
  }

  /** `exit-code`, `signal`, `timeout`, `start-limit-hit`, … by name. */
  get byName(): ReadonlyMap<UnitName, string> {
    return this.#results;
  }

  /** Its job has ended: what was known is of the past. */
  forget(name: UnitName): void {
    this.#results.delete(name);
  }

  /** Follows what systemd says of all units. */
  async follow(states: ReadonlyMap<UnitName, SystemdState>, signal: AbortSignal): Promise<void> {
    const hasFailed = (name: UnitName): boolean => states.get(name)?.activeState === 'failed';
    for (const name of this.#results.keys()) if (!hasFailed(name)) this.#results.delete(name);
    const failed = [...states.keys()].filter((name) => hasFailed(name) && !this.#results.has(name));
    // How many calls are under way at once is the adapter's to bound.
    await Promise.all(failed.map((name) => this.#ask(name, signal)));
  }

  async #ask(name: UnitName, signal: AbortSignal): Promise<void> {
    try {
      const result = await this.#systemd.result(name, signal);
      // It may have been started again since its state was read.
      if (result !== undefined && result !== 'success') this.#results.set(name, result);
    } catch (error) {
      if (!isFleetError(error)) throw error;
    }
  }
}
