// Who waits for which keys. A write wakes only the watchers whose prefix it touches, however many there are.
// Invariant: a watcher that is `idle` has seen all that is visible; one that is not has everything from `cursor` on to look through.
import type { FleetError } from '../../model/errors.ts';
import { Wake } from '../../runtime/wake.ts';
import type { Write } from './mvcc.ts';

/** One running watch. */
export interface Watcher {
  readonly prefix: string;
  readonly wake: Wake;
  /** The next revision to look at. */
  cursor: number;
  idle: boolean;
  /** Why it ends, once it does. */
  end: FleetError | undefined;
}

/** The running watches of a store, found by the keys they wait for. */
export class Watchers {
  readonly #byPrefix = new Map<string, Set<Watcher>>();
  /** How many prefixes there are of each length: a key is looked up by each of its beginnings that can match. */
  readonly #lengths = new Map<number, number>();

  get size(): number {
    let size = 0;
    for (const watchers of this.#byPrefix.values()) size += watchers.size;
    return size;
  }

  add(prefix: string, cursor: number): Watcher {
    const watcher = { prefix, wake: new Wake(), cursor, idle: false, end: undefined };
    const same = this.#byPrefix.get(prefix);
    if (same !== undefined) same.add(watcher);
    else {
      this.#byPrefix.set(prefix, new Set([watcher]));
      this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
    }
    return watcher;
  }

  remove(watcher: Watcher): void {
    const { prefix } = watcher;
    const same = this.#byPrefix.get(prefix);
    if (same?.delete(watcher) !== true || same.size > 0) return;
    this.#byPrefix.delete(prefix);
    const left = (this.#lengths.get(prefix.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(prefix.length);
    else this.#lengths.set(prefix.length, left);
  }

  /** Tells those concerned that the writes of one revision are there. */
  tell(writes: readonly Write[]): void {
    for (const { key, revision } of writes) {
      for (const length of this.#lengths.keys()) {
        if (length > key.length) continue;
        for (const watcher of this.#byPrefix.get(key.slice(0, length)) ?? []) {
          if (!watcher.idle) continue;
          watcher.idle = false;
          watcher.cursor = revision;
          watcher.wake.set();
        }
      }
    }
  }

  /** Ends every watch with `error`. */
  endAll(error: FleetError): void {
    for (const watchers of this.#byPrefix.values()) {
      for (const watcher of watchers) {
        watcher.end = error;
        watcher.wake.set();
      }
    }
  }
}
