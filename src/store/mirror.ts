// A map of all keys below a prefix, kept by list and watch: what a loop reads instead of the store.
// Invariant: a key leaves the map only by a watched delete or because a complete listing lacks it; until then the old map stays.
import { FleetError, isFleetError } from '../model/errors.ts';
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import { withChildSignal } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { Wake } from '../runtime/wake.ts';
import type { KeyValue, Kv, Revision, WatchBatch } from './kv.ts';
import type { Change } from './mirror-listing.ts';
import { compareListing, readListing } from './mirror-listing.ts';
import { OrderedMap } from '../collections/ordered-map.ts';
import { Slices } from './slices.ts';

export type { Change } from './mirror-listing.ts';

/** ms; the first wait after a failure, and the longest. A watch that lasted longer begins with the first again. */
const BACKOFF_MIN_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/** What a mirror has to say to a log or a counter. */
export type MirrorEvent =
  | Readonly<{
      kind: 'listed';
      revision: Revision;
      keys: number;
      changes: number;
      /** Clock time in ms. */
      beganAtMs: number;
    }>
  | Readonly<{ kind: 'failed'; error: FleetError; attempt: number; delayMs: number }>
  | Readonly<{ kind: 'restored'; seen: Revision; revision: Revision }>;

export interface MirrorOptions {
  readonly kv: Kv;
  readonly prefix: string;
  readonly clock: Clock;
  /** Between 0 and 1: spreads the retries of many mirrors. */
  readonly random: () => number;
  readonly relistIntervalMs: number;
  readonly log?: (event: MirrorEvent) => void;
}

/** The map. One loop runs it, one reader takes its changes. */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #wake = new Wake();
  #map = new OrderedMap<KeyValue>();
  #changes = new OrderedMap<Change>();
  #synced = false;
  #revision: Revision = 0n;
  #restored = 0;
  /** The store's own count of that, as of the last listing. */
  #reversions = 0;
  #restoredUntaken = false;
  /** Ends the watch that runs: it is time to list again. */
  #relist = new AbortController();
  /** The store has said by itself that it went back. */
  #reverted = false;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** A first listing is complete: from now on the map was true at some time. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The store's revision up to which the map is true. */
  get revision(): Revision {
    return this.#revision;
  }

  get size(): number {
    return this.#map.size;
  }

  /** How often the store was found at an earlier revision than before: restored from a backup. */
  get restored(): number {
    return this.#restored;
  }

  get(key: string): KeyValue | undefined {
    return this.#map.get(key);
  }

  /** The records below `prefix`, in order of their keys' code units. */
  entries(prefix: string): readonly KeyValue[] {
    const found: KeyValue[] = [];
    this.#map.walk(prefix, (key, kv) => {
      if (!key.startsWith(prefix)) return false;
      found.push(kv);
      return true;
    });
    return found;
  }

  /** How many keys have changed since that was last taken. */
  get untaken(): number {
    return this.#changes.size;
  }

  /** What changed since the last call, one entry a key, in order of their keys. */
  takeChanges(): Iterable<Change> {
    const taken = this.#changes;
    this.#changes = new OrderedMap();
    return taken.values(); // not copied: a first listing has millions
  }

  /** Whether the store was restored since the last call. Take it before the changes that came of it. */
  takeRestored(): boolean {
    const restored = this.#restoredUntaken;
    this.#restoredUntaken = false;
    return restored;
  }

  /** Ends when there is something to take, or the first listing is complete; rejects when aborted. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#wake.changed(signal);
  }

  /** Lists again, soon; the watch that runs may not know yet that the store is another. */
  relist(): void {
    this.#relist.abort();
  }

  /** Lists and watches until aborted; then rejects with the signal's reason. Any other rejection is a bug. */
  async run(signal: AbortSignal): Promise<never> {
    const { clock, random, log } = this.#options;
    let attempt = 0;
    for (;;) {
      signal.throwIfAborted();
      let watchedSince = Infinity;
      try {
        this.#relist = new AbortController();
        await this.#list(signal);
        watchedSince = clock.now();
        await this.#watch(signal);
        attempt = 0;
      } catch (error) {
        signal.throwIfAborted();
        if (!isFleetError(error)) throw error;
        if (isFleetError(error, 'STORE_REVERTED')) this.#reverted = true;
        if (clock.now() - watchedSince > BACKOFF_MAX_MS) attempt = 0;
        attempt += 1;
        const longest = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempt, 20));
        const delayMs = longest * (0.5 + random() / 2);
        log?.({ kind: 'failed', error, attempt, delayMs });
        await clock.sleep(delayMs, signal);
      }
    }
  }

  /** Reads everything and compares; the map changes at the end, and at once. */
  async #list(signal: AbortSignal): Promise<void> {
    const { kv, prefix, clock, log } = this.#options;
    const beganAtMs = clock.now();
    const slices = new Slices(clock, signal);
    const { reversions } = kv;
    const listing = await readListing(kv, { prefix, limit: RANGE_PAGE_KEYS }, slices);
    const changes = await compareListing(this.#map, listing.map, slices);
    const { revision } = listing;
    // A store that was restored may be ahead again of what the map was true for.
    const isOther = this.#synced && reversions !== this.#reversions;
    const restored = this.#reverted || isOther || revision < this.#revision;
    this.#reversions = reversions;
    if (restored) {
      this.#restored += 1;
      this.#restoredUntaken = true;
      this.#reverted = false;
      log?.({ kind: 'restored', seen: this.#revision, revision });
    }
    this.#map = listing.map;
    this.#revision = revision;
    if (this.#changes.size === 0) this.#changes = changes;
    else for (const change of changes.values()) this.#changes.set(change.key, change);
    if (changes.size > 0 || restored || !this.#synced) this.#wake.set();
    this.#synced = true;
    log?.({ kind: 'listed', revision, keys: listing.map.size, changes: changes.size, beganAtMs });
  }

  /** Ends when it is time to list again; throws when the watch is lost. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { kv, prefix, clock, relistIntervalMs } = this.#options;
    await withChildSignal(signal, async (scope) => {
      const relist = this.#relist;
      const end = (): void => relist.abort();
      clock.sleep(relistIntervalMs, scope).then(end, end);
      const slices = new Slices(clock, signal);
      for await (const batch of kv.watch(prefix, this.#revision + 1n, relist.signal)) {
        this.#apply(batch);
        await slices.breathe();
      }
      if (!relist.signal.aborted)
        throw new FleetError('STORE_WATCH_LOST', `the watch on '${prefix}' ended by itself`);
      signal.throwIfAborted();
    });
  }

  #apply({ revision, events }: WatchBatch): void {
    if (revision <= this.#revision) return; // told twice
    for (const event of events) {
      if (event.kind === 'put') {
        this.#map.set(event.kv.key, event.kv);
        this.#changes.set(event.kv.key, { key: event.kv.key, kv: event.kv });
      } else {
        this.#map.delete(event.key);
        this.#changes.set(event.key, { key: event.key, kv: undefined });
      }
    }
    this.#revision = revision;
    this.#wake.set();
  }
}
