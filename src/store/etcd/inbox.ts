// The messages of one watch that were not looked at yet. Its stream fills it and wakes its reader.
// Invariant: at most INBOX_MAX_BYTES and two messages wait here (watch-mux.ts puts in no more).
import type { IWatchResponse } from 'etcd3';
import { Wake } from '../../runtime/wake.ts';

/** bytes of keys and values. */
const INBOX_MAX_BYTES = 1024 * 1024;
/** bytes that count for each event beside its key and value. */
const EVENT_BYTES = 200;

export class Inbox {
  /** Up after each message, and at the end. */
  readonly wake = new Wake();
  readonly #messages: { readonly message: IWatchResponse; readonly bytes: number }[] = [];
  readonly #hasRoom: () => void;
  #bytes = 0;
  #end: Error | undefined;

  /** `hasRoom` is called when it was taken from and is not full. */
  constructor(hasRoom: () => void) {
    this.#hasRoom = hasRoom;
  }

  get full(): boolean {
    return this.#bytes > INBOX_MAX_BYTES;
  }

  put(message: IWatchResponse): void {
    const bytes = sizeOf(message);
    this.#messages.push({ message, bytes });
    this.#bytes += bytes;
    this.wake.set();
  }

  /** The oldest message; undefined when there is none (yet). */
  take(): IWatchResponse | undefined {
    const next = this.#messages.shift();
    if (next === undefined) return undefined;
    this.#bytes -= next.bytes;
    if (!this.full) this.#hasRoom();
    return next.message;
  }

  /** Whether a message, or the end, waits to be looked at. */
  get waiting(): boolean {
    return this.#messages.length > 0 || this.#end !== undefined;
  }

  /** Why nothing more will come; undefined while more may come. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Nothing more comes; what is there can still be taken. */
  finish(error: Error): void {
    this.#end ??= error;
    this.wake.set();
  }
}

function sizeOf({ events }: IWatchResponse): number {
  let bytes = 0;
  for (const { kv } of events) bytes += kv.key.length + kv.value.length + EVENT_BYTES;
  return bytes;
}
