// A request and its answer as the routes see them; server.ts makes the one from HTTP and HTTP of the other.
import type { ServerResponse } from 'node:http';
import type { MachineCache } from '../registry/presence.ts';
import type { Registry } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Admission } from './admission.ts';
import type { OptionsCache } from './options-cache.ts';
import type { V2Daemon } from './types.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

export interface Call {
  /** Parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array | undefined;
  /** Aborts when the client is gone, or the server closes. */
  readonly signal: AbortSignal;
}

/** A status with a JSON text, or none; or a stream that the route writes itself until it ends. */
export type Answer =
  | Readonly<{ status: number; json?: string; headers?: Readonly<Record<string, string>> }>
  | Readonly<{ stream(response: ServerResponse): Promise<void> }>;

export interface Route {
  readonly method: Method;
  /** With `:name` for a part that varies. */
  readonly path: string;
  /** It has a body of JSON whose parts ask for a place each. */
  readonly hasParts?: true;
  readonly handle: (call: Call) => Promise<Answer> | Answer;
}

export interface ApiLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the routes are made of. */
export interface RouteDeps {
  readonly registry: Registry;
  readonly machines: MachineCache;
  readonly admission: Admission;
  readonly options: OptionsCache;
  readonly clock: Clock;
  readonly log: ApiLog;
  /** Entries a page of v1. */
  readonly tokenLimit: number;
  /** Says what `GET /fleet/v2/daemon` answers. */
  readonly daemon: V2Daemon;
  /** New for each request that writes. */
  newRequestId(): string;
  /** Counts what became of one of several units that were asked for in one request. */
  countUnit(status: number): void;
}
