// The messages of a watch stream that were not looked at yet. Events of the stream only fill it and wake its reader.
// Invariant: at most INBOX_MAX_BYTES and one message wait here; further ones wait in etcd (gRPC's flow control).
import type { IWatchResponse } from 'etcd3';
import { Wake } from '../../runtime/wake.ts';
import type { WatchStream } from './services.ts';

/** bytes of keys and values. */
const INBOX_MAX_BYTES = 1024 * 1024;
/** bytes that count for each event beside its key and value. */
const EVENT_BYTES = 200;

export class Inbox {
  /** Up after each message, and at the end. */
  readonly wake = new Wake();
  readonly #stream: WatchStream;
  readonly #messages: { readonly message: IWatchResponse; readonly bytes: number }[] = [];
  #bytes = 0;
  #end: Error | undefined;

  constructor(stream: WatchStream) {
    this.#stream = stream;
    stream.on('data', (message: IWatchResponse) => {
      const bytes = sizeOf(message);
      this.#messages.push({ message, bytes });
      this.#bytes += bytes;
      if (this.#bytes > INBOX_MAX_BYTES) stream.pause();
      this.wake.set();
    });
    stream.on('error', (error: Error) => this.#finish(error));
    stream.on('end', () => this.#finish(new Error('the stream ended')));
  }

  /** The oldest message; undefined when there is none (yet). */
  take(): IWatchResponse | undefined {
    const next = this.#messages.shift();
    if (next === undefined) return undefined;
    this.#bytes -= next.bytes;
    if (this.#bytes <= INBOX_MAX_BYTES && this.#stream.isPaused()) this.#stream.resume();
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

  #finish(error: Error): void {
    this.#end ??= error;
    this.wake.set();
  }
}

function sizeOf({ events }: IWatchResponse): number {
  let bytes = 0;
  for (const { kv } of events) bytes += kv.key.length + kv.value.length + EVENT_BYTES;
  return bytes;
}
