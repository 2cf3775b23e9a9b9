// Unit files that systemd or the disk refused: kept until they are tried again, and until they concern nothing any more.
import type { FleetError } from '../src/model/errors.ts';
import type { UnitName, UnitTarget } from '../src/model/unit.ts';
import type { HostRefusal } from '../src/reconcile/host-plan.ts';

/** ms between two tries. */
const LOAD_AGAIN_MS = 10_000;

export interface LoadFailure {
  readonly sha256: string;
  readonly message: string;
  /** Clock time. */
  readonly retryAtMs: number;
}

export class LoadFailures {
  readonly #byName = new Map<UnitName, LoadFailure>();

  note({ name, sha256 }: UnitTarget, { message }: FleetError, nowMs: number): void {
    this.#byName.set(name, { sha256, message, retryAtMs: nowMs + LOAD_AGAIN_MS });
  }

  /** Those that are not tried again yet. */
  at(nowMs: number): ReadonlyMap<UnitName, LoadFailure> {
    return new Map([...this.#byName].filter(([, { retryAtMs }]) => retryAtMs > nowMs));
  }

  /** ms until each is tried again. */
  waits(nowMs: number): readonly number[] {
    return [...this.#byName.values()].map(({ retryAtMs }) => retryAtMs - nowMs);
  }

  /** Forgets those of files that nobody wants to load. */
  keepOnly(wantedTexts: ReadonlySet<string>): void {
    for (const [name, { sha256 }] of this.#byName)
      if (!wantedTexts.has(sha256)) this.#byName.delete(name);
  }

  /** What the plan refuses, and what could not be loaded: also while it is tried again. */
  joinedWith(
    planned: ReadonlyMap<UnitName, HostRefusal> | undefined,
  ): ReadonlyMap<UnitName, HostRefusal> {
    const refusals = new Map<UnitName, HostRefusal>(planned);
    for (const [name, { message }] of this.#byName)
      if (!refusals.has(name)) refusals.set(name, { kind: 'load-failed', message });
    return refusals;
  }
}
