// One member of etcd: calls on it that always settle, its token, its stream of lease renewals.
// Invariant: a call is sent once; whether it is sent again is decided in members.ts.
import { Metadata } from '@grpc/grpc-js';
import type { IWatchCreateRequest } from 'etcd3';
import type { Clock } from '../../runtime/clock.ts';
import { EndedCall } from './failure.ts';
import type { InFlight } from './in-flight.ts';
import type { Renewal } from '../kv.ts';
import { KeepAlives } from './keep-alives.ts';
import type { PendingCall, Services, UnaryMethod } from './services.ts';
import { WatchMux, type MuxKind, type OpenWatch } from './watch-mux.ts';

export interface MemberOptions {
  /** As configured, for messages. */
  readonly endpoint: string;
  readonly services: Services;
  readonly login: Login | undefined;
  readonly inFlight: InFlight;
  readonly clock: Clock;
}

/** etcd's user. */
export interface Login {
  readonly name: string;
  readonly password: string;
}

/** One try on one member. */
export interface Try {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export class Member {
  readonly endpoint: string;
  /** When a call on it failed last, on the clock; -Infinity: never. */
  failedAt = Number.NEGATIVE_INFINITY;
  readonly #services: Services;
  readonly #inFlight: InFlight;
  readonly #login: Login | undefined;
  readonly #keepAlives: KeepAlives;
  readonly #clock: Clock;
  #token: string | undefined;
  /** The stream that watches share; etcd knows whose it is by the token that it was opened with. */
  #shared: { readonly mux: WatchMux; readonly token: string | undefined } | undefined;

  constructor(options: MemberOptions) {
    this.endpoint = options.endpoint;
    this.#services = options.services;
    this.#inFlight = options.inFlight;
    this.#login = options.login;
    this.#clock = options.clock;
    this.#keepAlives = new KeepAlives(this.#inFlight);
  }

  /** Sends `request` once. Rejects with gRPC's error, an EndedCall, or the signal's reason. */
  async call<Request, Answer>(
    pick: (services: Services) => UnaryMethod<Request, Answer>,
    request: Request,
    limits: Try,
  ): Promise<Answer> {
    const metadata = await this.#metadata(limits);
    return this.#unary(pick(this.#services), request, { metadata, limits });
  }

  /** Asks for a watch. Its stream ends by itself when this member loses the leader. */
  async openWatch(kind: MuxKind, request: IWatchCreateRequest, limits: Try): Promise<OpenWatch> {
    const metadata = await this.#metadata(limits);
    return this.#mux(kind, metadata).open(request);
  }

  /** Renews a lease once; no second is left when this lease is not known. */
  async keepAlive(id: string, limits: Try): Promise<Renewal> {
    const metadata = await this.#metadata(limits);
    return this.#keepAlives.renew(id, limits, () => this.#services.leaseKeepAlive(metadata));
  }

  forgetToken(): void {
    this.#token = undefined;
  }

  close(): void {
    this.#keepAlives.close();
    this.#services.close();
  }

  async #metadata(limits: Try): Promise<Metadata> {
    const metadata = new Metadata();
    // Without it a member that is cut off from its peers keeps a watch silent for ever, and lets a write wait for its own timeout.
    metadata.set('hasleader', 'true');
    if (this.#login === undefined) return metadata;
    if (this.#token === undefined) {
      const { token } = await this.#unary(this.#services.authenticate, this.#login, {
        metadata,
        limits,
      });
      this.#token = token;
    }
    metadata.set('token', this.#token);
    return metadata;
  }

  #mux(kind: MuxKind, metadata: Metadata): WatchMux {
    const shared = this.#shared;
    if (kind === 'shared' && shared?.mux.takesMore === true && shared.token === this.#token)
      return shared.mux;
    const mux = new WatchMux(kind, this.#clock, (interceptor) =>
      this.#services.watch(metadata, { interceptors: [interceptor] }),
    );
    if (kind === 'shared') this.#shared = { mux, token: this.#token };
    return mux;
  }

  #unary<Request, Answer>(
    method: UnaryMethod<Request, Answer>,
    request: Request,
    { metadata, limits }: { metadata: Metadata; limits: Try },
  ): Promise<Answer> {
    const { signal, timeoutMs } = limits;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      let call: PendingCall | undefined;
      let settled = false;
      const settle = (finish: () => void): void => {
        if (settled) return;
        settled = true;
        done();
        signal.removeEventListener('abort', aborted);
        finish();
        call?.cancel();
      };
      const aborted = (): void => settle(() => reject(signal.reason as Error));
      const done = this.#inFlight.add(timeoutMs, (reason) => {
        settle(() => reject(new EndedCall(reason)));
      });
      signal.addEventListener('abort', aborted, { once: true });
      try {
        call = method(request, metadata, (error, answer) => {
          call = undefined; // It has ended: nothing to cancel.
          settle(() => {
            if (error !== null) reject(error);
            else if (answer === undefined) reject(new Error('gRPC answers with nothing'));
            else resolve(answer);
          });
        });
      } catch (error) {
        settle(() => reject(error));
      }
    });
  }
}
