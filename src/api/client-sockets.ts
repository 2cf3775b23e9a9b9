// The connections of clients to one API, over all its listeners: how many there may be, and which goes for a new one.
// Invariant: a connection with a request under way is never closed for another; one that only waits never keeps a new client out.
import type { Socket } from 'node:net';
import { CONNECTION_IDLE_MIN_MS, CONNECTIONS_MAX } from '../model/limits.ts';
import type { Clock } from '../runtime/clock.ts';

/** All connections that were taken and are open: for a moment more than there may be, where idle ones are about to be closed for them. */
export class ClientSockets {
  readonly #clock: Clock;
  /** Without a request, or with one whose headers are not complete; with the clock's ms since when, the longest first. */
  readonly #idle = new Map<Socket, number>();
  /** Requests under way: more than one where a client does not wait for answers. */
  readonly #busy = new Map<Socket, number>();
  #isShrinking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#idle.size + this.#busy.size;
  }

  /** Takes a new connection, if need be in the place of the one that was idle for longest. Answers false where all are at work. */
  take(socket: Socket): boolean {
    const tooMany = this.size + 1 - CONNECTIONS_MAX;
    if (tooMany > 0 && !this.#areLongIdle(tooMany)) return false;
    if (tooMany > 0) this.#shrinkSoon();
    this.#idle.set(socket, this.#clock.now());
    socket.once('close', () => {
      this.#idle.delete(socket);
      this.#busy.delete(socket);
    });
    return true;
  }

  /** A request has come over it. Answers false for a connection that was not taken. */
  began(socket: Socket): boolean {
    const count = this.#busy.get(socket) ?? 0;
    if (count === 0 && !this.#idle.delete(socket)) return false;
    this.#busy.set(socket, count + 1);
    return true;
  }

  /** A request over it was answered, or given up. */
  ended(socket: Socket): void {
    const count = this.#busy.get(socket);
    if (count === undefined) return; // closed
    if (count > 1) {
      this.#busy.set(socket, count - 1);
      return;
    }
    this.#busy.delete(socket);
    this.#idle.set(socket, this.#clock.now());
  }

  /** So many are idle for long enough: the request of one that is new may be on the way. */
  #areLongIdle(count: number): boolean {
    let left = count;
    for (const since of this.#idle.values()) {
      if (this.#clock.now() - since < CONNECTION_IDLE_MIN_MS) return false;
      left -= 1;
      if (left === 0) return true;
    }
    return false;
  }

  /** Behind a whole turn of the event loop, which reads all that has come: where that was late, one that seems idle has its request there. */
  #shrinkSoon(): void {
    if (this.#isShrinking) return;
    this.#isShrinking = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#isShrinking = false;
        while (this.size > CONNECTIONS_MAX && this.#areLongIdle(1)) this.#closeIdle();
      }),
    );
  }

  #closeIdle(): void {
    const [socket] = this.#idle.keys();
    if (socket === undefined) return;
    this.#idle.delete(socket);
    socket.destroy();
  }
}
