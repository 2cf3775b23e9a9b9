// The renewals of all leases over one stream to one member.
// Invariant: an answer is given to the renewal that was sent for it: after a renewal that was not answered in time the stream is dropped,
// so that a late answer can never pass for a confirmation of a later request.
import type { ILeaseKeepAliveResponse } from 'etcd3';
import type { Renewal } from '../kv.ts';
import { EndedCall } from './failure.ts';
import type { InFlight } from './in-flight.ts';
import type { Try } from './member.ts';
import type { KeepAliveStream } from './services.ts';

interface Waiting {
  readonly id: string;
  settle(outcome: Renewal | { readonly error: Error }): void;
}

interface Open {
  readonly stream: KeepAliveStream;
  /** In the order sent; etcd answers a stream's renewals one after the other. */
  readonly waiting: Waiting[];
}

export class KeepAlives {
  readonly #inFlight: InFlight;
  #open: Open | undefined;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  /** No second is left when the lease is not known. `connect` opens the stream when none is open. */
  renew(id: string, { timeoutMs, signal }: Try, connect: () => KeepAliveStream): Promise<Renewal> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const open = (this.#open ??= this.#listen(connect()));
      const waiting: Waiting = {
        id,
        settle: (outcome) => {
          done();
          signal.removeEventListener('abort', aborted);
          if ('error' in outcome) reject(outcome.error);
          else resolve(outcome);
        },
      };
      // An aborted renewal keeps its place in the queue: its answer is still to come.
      const aborted = (): void => reject(signal.reason as Error);
      const done = this.#inFlight.add(timeoutMs, (reason) => {
        this.#drop(open, new EndedCall(reason));
      });
      signal.addEventListener('abort', aborted, { once: true });
      open.waiting.push(waiting);
      open.stream.write({ ID: id });
    });
  }

  close(): void {
    if (this.#open !== undefined) this.#drop(this.#open, new EndedCall('closed'));
  }

  #listen(stream: KeepAliveStream): Open {
    const open: Open = { stream, waiting: [] };
    stream.on('data', ({ ID, TTL, header }: ILeaseKeepAliveResponse) => {
      const waiting = open.waiting.shift();
      if (waiting?.id === ID)
        waiting.settle({ leftSec: Number(TTL), revision: BigInt(header.revision) });
      else {
        const error = new Error(`etcd answers for lease '${ID}' instead of '${waiting?.id}'`);
        waiting?.settle({ error: Object.assign(error, { code: 13, details: error.message }) });
        this.#drop(open, new EndedCall('timeout'));
      }
    });
    stream.on('error', (error: Error) => this.#drop(open, error));
    stream.on('end', () => this.#drop(open, new EndedCall('timeout')));
    return open;
  }

  #drop(open: Open, error: Error): void {
    if (this.#open === open) this.#open = undefined;
    open.stream.cancel();
    for (const waiting of open.waiting.splice(0)) waiting.settle({ error });
  }
}
