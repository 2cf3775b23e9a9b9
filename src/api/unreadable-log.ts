// Records that could not be read: each version of one is named in the log once, however often it is met, and every meeting is counted.
import type { FleetError } from '../model/errors.ts';
import type { KeyValue } from '../store/kv.ts';
import type { ApiLog } from './call.ts';
import type { Metrics } from './metrics.ts';

/** records remembered; a store with more wrong ones has other troubles. */
const REMEMBERED_MAX = 1000;

/** Tells the log and the counters of records that are passed over. */
export class UnreadableLog {
  readonly #log: ApiLog;
  readonly #metrics: Metrics;
  readonly #named = new Set<string>();

  constructor(log: ApiLog, metrics: Metrics) {
    this.#log = log;
    this.#metrics = metrics;
  }

  note({ key, modRevision }: KeyValue, error: FleetError): void {
    this.#metrics.countUnreadable();
    const version = `${key}\0${modRevision}`;
    if (this.#named.has(version)) return;
    if (this.#named.size >= REMEMBERED_MAX) this.#named.clear();
    this.#named.add(version);
    this.#log.warn(
      { code: error.code, key, err: error },
      'record cannot be read, leaving it alone',
    );
  }
}
