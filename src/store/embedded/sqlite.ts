// The journal on SQLite: changes that arrive together are committed together, so that one sync serves them all.
// Invariant: after a failed commit nothing is taken until the caller has loaded again: its memory is ahead of the disk.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { FleetError } from '../../model/errors.ts';
import { COMMIT_GROUP_MAX_MS } from '../../model/limits.ts';
import type { Clock } from '../../runtime/clock.ts';
import { lockFile } from './file-lock.ts';
import type { Change, Journal, JournalState } from './journal.ts';
import { SqliteFile } from './sqlite-file.ts';

interface Group {
  readonly changes: Change[];
  readonly durable: PromiseWithResolvers<void>;
}

/** Keeps changes in the file at `path`, alone. */
export class SqliteJournal implements Journal {
  readonly #clock: Clock;
  readonly #file: SqliteFile;
  readonly #unlock: () => void;
  /** Read at the start, so that a damaged file is refused there. */
  #first: JournalState | undefined;
  #group: Group | undefined;
  /** Ends when the group that gathers now was committed, or failed; never rejects. */
  #flushed: Promise<void> = Promise.resolve();
  #lastCommitMs = 0;
  #failure: unknown;
  #closed = false;

  /** Throws STORE_IN_USE or STORE_FILE_INVALID. */
  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    this.#unlock = lockFile(path);
    let file: SqliteFile | undefined;
    try {
      file = new SqliteFile(path);
      this.#first = file.load();
    } catch (error) {
      file?.close();
      this.#unlock();
      throw error;
    }
    this.#file = file;
  }

  load(): JournalState {
    const state = this.#first ?? this.#file.load();
    this.#first = undefined;
    this.#failure = undefined;
    return state;
  }

  append(change: Change): Promise<void> {
    if (this.#closed)
      return Promise.reject(new FleetError('STORE_UNAVAILABLE', 'the embedded store is closed'));
    if (this.#failure !== undefined) return Promise.reject(asError(this.#failure));
    if (this.#group === undefined) {
      this.#group = { changes: [], durable: Promise.withResolvers() };
      this.#flushed = this.#flush(this.#group);
    }
    this.#group.changes.push(change);
    return this.#group.durable.promise;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushed;
    this.#file.close();
    this.#unlock();
  }

  /** Gathers for one turn of the event loop; a slow disk is left alone for longer, because its syncs block this thread. */
  async #flush(group: Group): Promise<void> {
    if (this.#lastCommitMs < COMMIT_GROUP_MAX_MS) await nextTurn();
    else await this.#clock.sleep(COMMIT_GROUP_MAX_MS, new AbortController().signal);
    this.#group = undefined;
    const began = this.#clock.now();
    try {
      this.#file.commit(group.changes);
      group.durable.resolve();
    } catch (error) {
      this.#failure = error;
      group.durable.reject(asError(error));
    }
    this.#lastCommitMs = this.#clock.now() - began;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
