// One watch on one member, read until it ends. After a loss it is never resumed: whoever watches lists again.
// Invariant: what is told is complete up to the last batch: a stream that may have lost something, or lives without telling, ends with an error.
import type { IWatchResponse } from 'etcd3';
import type { Clock } from '../../runtime/clock.ts';
import { FleetError } from '../../model/errors.ts';
import type { Revision, WatchBatch, WatchEvent } from '../kv.ts';
import type { Encoding } from './encode.ts';
import { closedError, explain } from './failure.ts';
import { revertedError, type History } from './history.ts';
import type { Inbox } from './inbox.ts';
import type { Member } from './member.ts';
import type { Members } from './members.ts';
import { Overflow, type MuxKind, type OpenWatch, type WatchMux } from './watch-mux.ts';

/** ms without a message after which the stream is asked for a sign of life. */
const PROGRESS_INTERVAL_MS = 10_000;
/** ms that etcd has for it, and for the first answer. */
const PROGRESS_TIMEOUT_MS = 5_000;

export interface WatchOptions {
  readonly prefix: string;
  readonly from: Revision;
  readonly members: Members;
  readonly history: History;
  readonly encoding: Encoding;
  readonly clock: Clock;
  readonly openTimeoutMs: number;
  /** The store's revision by a linearizable read. */
  readonly readRevision: (signal: AbortSignal) => Promise<Revision>;
  readonly signal: AbortSignal;
}

/** Tells the events of each revision from `from` on. Throws STORE_WATCH_LOST, STORE_COMPACTED or STORE_REVERTED; ends quietly on abort. */
export async function* watchEvents(options: WatchOptions): AsyncGenerator<WatchBatch> {
  let { from } = options;
  let kind: MuxKind = 'shared';
  while (!options.signal.aborted) {
    try {
      for await (const batch of watchOnce({ ...options, from }, kind)) {
        from = batch.revision + 1n;
        yield batch;
      }
    } catch (error) {
      if (!(error instanceof Overflow)) throw error;
      kind = 'own'; // nothing is lost: what was told is complete up to `from`
    }
  }
}

async function* watchOnce(options: WatchOptions, kind: MuxKind): AsyncGenerator<WatchBatch> {
  const { encoding, prefix, from, members, openTimeoutMs: timeoutMs, signal } = options;
  if (members.closed) throw closedError();
  const member = members.current;
  try {
    // fragment: one revision may come in several messages, none of them much larger than a request.
    const request = { ...encoding.range(prefix), start_revision: String(from), fragment: true };
    const watch = await member.openWatch(kind, request, { timeoutMs, signal });
    yield* new Watch(options, member, watch).batches();
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Overflow) throw error;
    throw error instanceof Lost ? lostError(options, error) : explainEnd(error, member, members);
  }
}

/** The stream can no longer be trusted; the message says why. */
class Lost extends Error {}

class Watch {
  readonly #options: WatchOptions;
  readonly #member: Member;
  readonly #mux: WatchMux;
  readonly #inbox: Inbox;
  readonly #close: () => void;
  readonly #revisions = new RevisionGroups();
  readonly #epoch: number;
  /** When it was asked for; undefined once it is there. */
  #openedAt: number | undefined;

  constructor(options: WatchOptions, member: Member, { mux, inbox, close }: OpenWatch) {
    this.#options = options;
    this.#member = member;
    this.#mux = mux;
    this.#inbox = inbox;
    this.#close = close;
    this.#epoch = options.history.mark.epoch;
    this.#openedAt = options.clock.now();
  }

  async *batches(): AsyncGenerator<WatchBatch> {
    const { history, members, signal } = this.#options;
    const wake = (): void => this.#inbox.wake.set();
    const forget = [history.onReverted(wake), members.onClose(wake), this.#close];
    try {
      while (!signal.aborted) {
        const message = this.#inbox.take();
        if (message === undefined) await this.#wait();
        else yield* await this.#read(message);
      }
    } finally {
      for (const each of forget) each();
    }
  }

  async #read(message: IWatchResponse): Promise<readonly WatchBatch[]> {
    this.#openedAt = undefined;
    if (message.canceled) throw cancelError(message, this.#options.from);
    if (message.created) await this.#checkStart(BigInt(message.header.revision));
    return this.#revisions.push(message, this.#options.encoding);
  }

  /** A start that the store has not reached: the member lags, or the store has gone back and would stay silent until it is there. */
  async #checkStart(memberRevision: Revision): Promise<void> {
    const { from, readRevision, signal } = this.#options;
    if (from <= memberRevision + 1n) return;
    const revision = await readRevision(signal);
    if (from > revision + 1n) throw revertedError(revision, from - 1n);
  }

  /** Ends when there may be a message; in between it asks for signs of life. */
  async #wait(): Promise<void> {
    const { clock, history, members, signal } = this.#options;
    if (history.mark.epoch !== this.#epoch)
      throw revertedError(history.mark.revision, this.#options.from - 1n);
    if (this.#inbox.end !== undefined) throw this.#inbox.end;
    if (members.closed) throw closedError();
    const dueMs = this.#silentAt() - clock.now();
    if (dueMs > 0) {
      await this.#inbox.wake.changedWithin(clock, dueMs, signal);
    } else if (this.#openedAt === undefined && this.#mux.askedAt === undefined) {
      // Its answer is no message to any watch: its revision says nothing (etcd issue 15220).
      this.#mux.ask();
    } else {
      await this.#confirmLoss();
    }
  }

  /** Clock time in ms until which silence means nothing. */
  #silentAt(): number {
    const askedAt = this.#openedAt ?? this.#mux.askedAt;
    return askedAt === undefined
      ? this.#mux.heardAt + PROGRESS_INTERVAL_MS
      : askedAt + PROGRESS_TIMEOUT_MS;
  }

  /** The stream is silent. It is lost when the store is not; while no read succeeds a new list would not either. */
  async #confirmLoss(): Promise<void> {
    const { clock, members, readRevision, signal } = this.#options;
    members.leave(this.#member);
    const alive = await readRevision(signal).then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    // What has come meanwhile was only late.
    if (this.#silentAt() > clock.now() || this.#inbox.waiting) return;
    if (alive) {
      // A reader that stands still may keep the stream open: who lists again must not come back to it.
      this.#mux.retire();
      throw new Lost('it no longer answers');
    }
    if (this.#openedAt !== undefined) this.#openedAt = clock.now();
    this.#mux.forgive();
  }
}

/** Gathers the events of one revision, over as many messages as etcd took for them. */
class RevisionGroups {
  #revision: Revision = 0n;
  #events: WatchEvent[] = [];

  /** Answers the revisions that are complete. */
  push(message: IWatchResponse, encoding: Encoding): WatchBatch[] {
    const complete: WatchBatch[] = [];
    for (const raw of message.events) {
      const revision = BigInt(raw.kv.mod_revision);
      if (revision !== this.#revision) {
        this.#flush(complete);
        this.#revision = revision;
      }
      this.#events.push(encoding.event(raw));
    }
    // The last message of a row is not marked as a fragment.
    if (!message.fragment) this.#flush(complete);
    return complete;
  }

  #flush(into: WatchBatch[]): void {
    if (this.#events.length > 0) into.push({ revision: this.#revision, events: this.#events });
    this.#events = [];
  }
}

function cancelError(message: IWatchResponse, from: Revision): Error {
  if (message.compact_revision === '0') return new Lost(message.cancel_reason);
  return new FleetError('STORE_COMPACTED', `the events since revision '${from}' are compacted`, {
    hint: 'List again.',
    details: { from: String(from), compacted: message.compact_revision },
  });
}

function explainEnd(error: unknown, member: Member, members: Members): Error {
  if (members.closed) return closedError();
  const failure = explain(error, member.endpoint);
  if (failure.tokenStale) member.forgetToken();
  else if (failure.again) members.leave(member);
  if (!failure.again) return failure.error;
  const { message, hint, details } = failure.error;
  return new FleetError('STORE_WATCH_LOST', `a watch ended: ${message}`, {
    cause: error,
    details,
    ...(hint === undefined ? {} : { hint }),
  });
}

function lostError({ prefix }: WatchOptions, lost: Lost): FleetError {
  return new FleetError('STORE_WATCH_LOST', `the watch on '${prefix}' ended: ${lost.message}`, {
    cause: lost,
    hint: 'List again.',
    details: { prefix },
  });
}
