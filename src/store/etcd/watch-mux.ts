// The watches on one stream to a member: each message goes to the inbox of its watch, and any message is the stream's sign of life.
// Invariant: a reader that stands still holds up nobody else. On a shared stream its watch is cancelled when its inbox is full; on a
// stream of its own etcd waits for it (HTTP/2's flow control).
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import type { IWatchCreateRequest, IWatchResponse } from 'etcd3';
import type { Clock } from '../../runtime/clock.ts';
import { Inbox } from './inbox.ts';
import type { WatchStream } from './services.ts';

/** `shared`: of all watches that are read as they come; `own`: of one that may be read slowly. */
export type MuxKind = 'shared' | 'own';

/** A watch that was asked for. */
export interface OpenWatch {
  readonly mux: WatchMux;
  readonly inbox: Inbox;
  readonly close: () => void;
}

/** Why an inbox of a shared stream ends: the rest of its watch is to be had on a stream of its own. */
export class Overflow extends Error {}

/** etcd's id of no watch: for messages to all, and for what it refused to make. */
const NO_WATCH = '-1';

export class WatchMux {
  readonly #kind: MuxKind;
  readonly #clock: Clock;
  readonly #stream: WatchStream;
  readonly #inboxes = new Map<string, Inbox>();
  /** The ids of those that etcd has not answered yet; it answers in their order. */
  readonly #asked: string[] = [];
  #lastId = 0;
  #ended = false;
  #retired = false;
  #heardAt: number;
  #askedAt: number | undefined;
  /** Hands over the message that waits until there is room. */
  #deliverHeld: (() => void) | undefined;

  constructor(kind: MuxKind, clock: Clock, connect: (interceptor: Interceptor) => WatchStream) {
    this.#kind = kind;
    this.#clock = clock;
    this.#heardAt = clock.now();
    this.#stream = connect(this.#interceptor());
    this.#stream.on('data', (message: IWatchResponse) => this.#sort(message));
    this.#stream.on('error', (error: Error) => this.#finish(error));
    this.#stream.on('end', () => this.#finish(new Error('the stream ended')));
  }

  /** Whether a watch can be added. */
  get takesMore(): boolean {
    return !this.#ended && !this.#retired;
  }

  /** It has failed a watch: none is added any more. Those that it has find out by themselves. */
  retire(): void {
    this.#retired = true;
  }

  /** Clock time in ms of the last message. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Clock time in ms at which the sign of life was asked for that has not come yet. */
  get askedAt(): number | undefined {
    return this.#askedAt;
  }

  /** Asks etcd for a sign of life. */
  ask(): void {
    this.#askedAt = this.#clock.now();
    this.#stream.write({ progress_request: {} });
  }

  /** That it was not answered in time is no proof: it can be asked again. */
  forgive(): void {
    this.#askedAt = undefined;
  }

  /** Begins a watch; its `close` ends it. */
  open(request: IWatchCreateRequest): OpenWatch {
    this.#lastId += 1;
    const id = String(this.#lastId);
    const inbox = new Inbox(() => this.#deliver());
    this.#inboxes.set(id, inbox);
    this.#asked.push(id);
    this.#stream.write({ create_request: { ...request, watch_id: id } });
    return { mux: this, inbox, close: () => this.#close(id) };
  }

  #close(id: string): void {
    if (this.#ended || !this.#inboxes.delete(id)) return;
    if (this.#inboxes.size === 0) this.#finish(new Error('nobody watches'));
    else this.#stream.write({ cancel_request: { watch_id: id } });
  }

  #sort(message: IWatchResponse): void {
    this.#heardAt = this.#clock.now();
    this.#askedAt = undefined;
    const oldest = message.created ? this.#asked.shift() : undefined;
    // What etcd refuses to make has no id in some of its versions.
    const id = message.watch_id === NO_WATCH ? oldest : message.watch_id;
    const inbox = id === undefined ? undefined : this.#inboxes.get(id);
    if (id === undefined || inbox === undefined) return; // a sign of life, or of a watch that is closed
    if (this.#kind === 'shared' && inbox.full) {
      inbox.finish(new Overflow('it is read too slowly for a stream that others share'));
      this.#close(id);
    } else inbox.put(message);
  }

  /** Asks etcd for no more while the inbox is full. pause() would let 16 more messages of 2 MiB in. */
  #interceptor(): Interceptor {
    return (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) => {
          next(metadata, {
            onReceiveMessage: (message: unknown, deliver: (message: unknown) => void) => {
              if (this.#isHeld()) this.#deliverHeld = () => deliver(message);
              else deliver(message);
            },
          });
        },
      });
  }

  #isHeld(): boolean {
    return this.#kind === 'own' && this.#inboxes.values().some(({ full }) => full);
  }

  #deliver(): void {
    const deliver = this.#deliverHeld;
    this.#deliverHeld = undefined;
    deliver?.();
  }

  #finish(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.cancel();
    for (const inbox of this.#inboxes.values()) inbox.finish(error);
  }
}
