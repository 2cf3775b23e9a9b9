// Follows where the cluster places its units, so that each unit that left a host is known, also if it came back.
// Invariant: what happened while the store could not be read is told by the difference, not by each step.
import { openEtcdStore } from '../../src/store/etcd/open.ts';
import { Mirror } from '../../src/store/mirror.ts';
import { keysUnder, type Keys } from '../../src/registry/keys.ts';
import { decode } from '../../src/registry/codec.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { KeyValue, Kv } from '../../src/store/kv.ts';
import { keyOf } from './fault-sight.ts';

export class Placements {
  readonly #kv: Kv;
  readonly #keys: Keys = keysUnder('/_coreos.com/fleet/');
  readonly #hostOf: (machine: string) => string;
  readonly #at = new Map<string, string>();
  readonly #mirror: Mirror;
  readonly #ending = new AbortController();
  #left = new Set<string>();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(kv: Kv, hostOf: (machine: string) => string) {
    this.#kv = kv;
    this.#hostOf = hostOf;
    this.#mirror = new Mirror({
      kv,
      prefix: this.#keys.placements,
      clock: systemClock,
      random: () => 0.5,
      relistIntervalMs: 60_000,
    });
  }

  static async follow(
    endpoints: readonly string[],
    hostOf: (machine: string) => string,
  ): Promise<Placements> {
    const kv = await openEtcdStore({
      endpoints,
      requestTimeoutMs: 1_000,
      clock: systemClock,
      random: () => 0.5,
    });
    const made = new Placements(kv, hostOf);
    const { signal } = made.#ending;
    made.#running = Promise.allSettled([made.#mirror.run(signal), made.#follow(signal)]);
    return made;
  }

  /** `keyOf` of what has left since the last call. */
  async takeLeft(): Promise<ReadonlySet<string>> {
    // The watch may be behind: it may hang at a member that is gone.
    const { placements } = this.#keys;
    const { kvs } = await this.#kv.range(placements, {}, AbortSignal.timeout(10_000));
    const now = new Map(kvs.map((kv) => [kv.key, kv]));
    const gone = [...this.#at.keys()]
      .map((unit) => placements + unit)
      .filter((key) => !now.has(key));
    for (const kv of kvs) this.#note(kv.key, kv);
    for (const key of gone) this.#note(key, undefined);
    const left = this.#left;
    this.#left = new Set();
    return left;
  }

  async end(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#kv.close();
  }

  async #follow(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.#mirror.changed(signal);
      for (const { key, kv } of this.#mirror.takeChanges()) this.#note(key, kv);
    }
  }

  #note(key: string, kv: KeyValue | undefined): void {
    const unit = key.slice(this.#keys.placements.length);
    const placed = kv === undefined ? undefined : decode('placement', key, kv.value);
    const host = placed === undefined || placed.release ? undefined : this.#hostOf(placed.machine);
    const before = this.#at.get(unit);
    if (before !== undefined && before !== host) this.#left.add(keyOf({ unit, host: before }));
    if (host === undefined) this.#at.delete(unit);
    else this.#at.set(unit, host);
  }
}
