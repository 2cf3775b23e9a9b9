// The messages of a watch stream that were not looked at yet. Events of the stream only fill it and wake its reader.
// Invariant: at most INBOX_MAX_BYTES and two messages wait here; further ones wait in etcd (HTTP/2's flow control).
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
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
  readonly #messages: { readonly message: IWatchResponse; readonly bytes: number }[] = [];
  #bytes = 0;
  #end: Error | undefined;
  /** Hands over the message that waits until there is room. */
  #deliverHeld: (() => void) | undefined;

  /** For the stream's call: asks etcd for no more while the inbox is full. pause() would let 16 more messages of 2 MiB in. */
  readonly interceptor: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        next(metadata, {
          onReceiveMessage: (message: unknown, deliver: (message: unknown) => void) => {
            if (this.#bytes <= INBOX_MAX_BYTES) deliver(message);
            else this.#deliverHeld = () => deliver(message);
          },
        });
      },
    });

  /** Takes in what `stream` brings; its call has this inbox's interceptor. */
  listen(stream: WatchStream): void {
    stream.on('data', (message: IWatchResponse) => {
      const bytes = sizeOf(message);
      this.#messages.push({ message, bytes });
      this.#bytes += bytes;
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
    if (this.#bytes <= INBOX_MAX_BYTES) {
      const deliver = this.#deliverHeld;
      this.#deliverHeld = undefined;
      deliver?.();
    }
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
