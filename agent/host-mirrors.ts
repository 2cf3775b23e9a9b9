// What a host mirrors of the store: its own keys, the global units, its metadata.
// Invariant: where one was found to be of another history of the store, or the others may have believed this machine gone, the host waits
// until all are listed anew: a mixture says what nobody asked for, and what was on its way meanwhile may be old.
import { RELIST_INTERVAL_MS } from '../src/model/limits.ts';
import type { MachineId } from '../src/model/machine.ts';
import type { Registry } from '../src/registry/registry.ts';
import type { Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { runTogether } from '../src/runtime/tasks.ts';
import { Mirror, type MirrorEvent } from '../src/store/mirror.ts';

export interface HostMirrorsDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly machine: MachineId;
  /** There is something new to plan by. */
  readonly changed: () => void;
  /** The store was found to be of another history: restored from a backup. */
  readonly restored: () => void;
}

export class HostMirrors {
  readonly schedule: Mirror;
  readonly globals: Mirror;
  readonly metadata: Mirror;
  readonly #deps: HostMirrorsDeps;
  /** Those that are to be listed anew, and the clock time in ms before which a listing must not have begun. */
  readonly #behind = new Map<Mirror, number>();
  #restoredAtMs = -Infinity;

  constructor(deps: HostMirrorsDeps) {
    this.#deps = deps;
    const { keys } = deps.registry;
    this.schedule = this.#open(keys.scheduleOf(deps.machine));
    this.globals = this.#open(keys.globals);
    this.metadata = this.#open(keys.metadataOf(deps.machine));
  }

  /** All are of the same history of the store, as far as is known, and none is doubted. */
  get agree(): boolean {
    return this.#behind.size === 0;
  }

  /** Clock time in ms at which the store was last found to be of another history; -Infinity for never. */
  get restoredAtMs(): number {
    return this.#restoredAtMs;
  }

  /** Mirrors until aborted; then rejects. */
  run(signal: AbortSignal): Promise<void> {
    return runTogether(
      signal,
      this.#all().flatMap((mirror) => [
        (child: AbortSignal) => mirror.run(child),
        (child: AbortSignal) => this.#forward(mirror, child),
      ]),
    );
  }

  /** They are listed again, all or all but `mirror`, before the host acts on them. */
  doubt(mirror?: Mirror): void {
    for (const other of this.#all()) {
      if (other === mirror) continue;
      this.#behind.set(other, this.#deps.clock.now());
      other.relist();
    }
  }

  #all(): readonly Mirror[] {
    return [this.schedule, this.globals, this.metadata];
  }

  async #forward(mirror: Mirror, signal: AbortSignal): Promise<never> {
    for (;;) {
      await mirror.changed(signal);
      this.#deps.changed();
    }
  }

  #open(prefix: string): Mirror {
    const { registry, clock, random, log, changed, restored } = this.#deps;
    const mirror: Mirror = new Mirror({
      kv: registry.kv,
      prefix,
      clock,
      random,
      relistIntervalMs: RELIST_INTERVAL_MS,
      log: (event: MirrorEvent) => {
        if (event.kind === 'restored') {
          log.warn({ prefix, revision: String(event.revision) }, 'the store was restored');
          this.#restoredAtMs = clock.now();
          this.doubt(mirror);
          restored();
        } else log.debug({ prefix, kind: event.kind }, 'mirror');
        if (event.kind === 'listed' && event.beganAtMs >= (this.#behind.get(mirror) ?? Infinity)) {
          this.#behind.delete(mirror);
          if (this.agree) changed();
        }
      },
    });
    return mirror;
  }
}
