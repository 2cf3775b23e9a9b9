// The connections of clients to one API, over all its listeners: how many there may be, and which goes for a new one.
// Invariant: a connection with a request under way is never closed for another; one that only waits never keeps a new client out.
import type { Socket } from 'node:net';
import { CONNECTION_IDLE_MIN_MS, CONNECTIONS_MAX } from '../model/limits.ts';
import type { Clock } from '../runtime/clock.ts';

/** All connections that were taken and are open. */
export class ClientSockets {
  readonly #clock: Clock;
  /** Without a request, or with one whose headers are not complete; with the clock's ms since when, the longest first. */
  readonly #idle = new Map<Socket, number>();
  /** Requests under way: more than one where a client does not wait for answers. */
  readonly #busy = new Map<Socket, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#idle.size + this.#busy.size;
  }

  /** Takes a new connection, if need be in the place of the one that was idle for longest. Answers false where all are at work. */
  take(socket: Socket): boolean {
    if (this.size >= CONNECTIONS_MAX && !this.#closeIdle()) return false;
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

  /** Not one that is new: its request may be on the way. */
  #closeIdle(): boolean {
    const [longest] = this.#idle;
    if (longest === undefined) return false;
    const [socket, since] = longest;
    if (this.#clock.now() - since < CONNECTION_IDLE_MIN_MS) return false;
    this.#idle.delete(socket);
    socket.destroy();
    return true;
  }
}
