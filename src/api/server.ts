// The HTTP server of fleetd: limits, statuses, headers and errors are here; what is answered is in routes/.
// Invariant: whatever a client sends, the answer is JSON of the documented shape, and a fault of ours never ends the process.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { FleetError, isFleetError } from '../model/errors.ts';
import { BODY_MAX_BYTES, HEADER_MAX_BYTES } from '../model/limits.ts';
import { MachineCache } from '../registry/presence.ts';
import type { Keys } from '../registry/keys.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Kv } from '../store/kv.ts';
import { Admission } from './admission.ts';
import type { Answer, ApiLog, Call, Route, RouteDeps } from './call.ts';
import { ClientSockets } from './client-sockets.ts';
import { failureOf } from './failure.ts';
import { closeServer, newHttpServer } from './http-server.ts';
import { listenOn, type Listening, type ListenTarget } from './listen.ts';
import { Metrics, type Gauge } from './metrics.ts';
import { OptionsCache } from './options-cache.ts';
import { EventReaders } from './routes/events.ts';
import { v1Routes } from './routes/v1.ts';
import { v2Routes } from './routes/v2.ts';
import { errorBody, RETRY_AFTER_SEC, unreachable } from './status.ts';
import type { V2Daemon } from './types.ts';
import { UnreadableLog } from './unreadable-log.ts';

export interface ApiOptions {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly log: ApiLog;
  readonly version: string;
  /** Entries a page of v1. */
  readonly tokenLimit: number;
  readonly clock: Clock;
  /** Why fleetd cannot serve now, such as another machine with its id: every request is answered 503 with it. */
  availability?(): string | undefined;
  /** For `GET /fleet/v2/daemon`. */
  readonly daemon?: Omit<V2Daemon, 'version'>;
}

export interface Api {
  /** Listens there too; any number of times. */
  listen(target: ListenTarget): Promise<Listening>;
  /** Takes no more requests, ends event streams, and waits for the requests that are under way. */
  close(): Promise<void>;
}

/** The API over a store; it listens nowhere yet. */
export async function createApi(options: ApiOptions): Promise<Api> {
  const sockets = new ClientSockets(options.clock);
  const admission = new Admission(options.clock);
  const metrics = new Metrics(options.version, gaugesOf(sockets, admission));
  const closing = new AbortController();
  const app = fastify({
    bodyLimit: BODY_MAX_BYTES,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: HEADER_MAX_BYTES },
    // Before any route: a path that does not decode, or is too long.
    frameworkErrors: (_error, request, reply) => {
      const error = requestError(`path '${request.url.slice(0, 200)}' cannot be understood`);
      void sendError(reply, versionOf(request.url), 400, error);
    },
  });
  const server = new ApiServer({ ...options, app, metrics, admission, closing: closing.signal });
  server.register(routesOf(options, metrics, admission));
  await app.ready();
  const servers: Server[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse): void =>
    app.routing(request, response);
  return {
    async listen(target) {
      const http = newHttpServer(serve, `fleetd/${options.version}`, sockets);
      const listening = await listenOn(http, target);
      servers.push(http);
      return listening;
    },
    async close() {
      closing.abort(new Error('the API is closing'));
      await Promise.all(servers.map(closeServer));
      await app.close();
    },
  };
}

function routesOf(options: ApiOptions, metrics: Metrics, admission: Admission): readonly Route[] {
  const { kv, keys, log, version, clock, tokenLimit } = options;
  const unreadable = new UnreadableLog(log, metrics);
  const deps: RouteDeps = {
    registry: { kv, keys, unreadable: (found, error) => unreadable.note(found, error) },
    machines: new MachineCache(),
    admission,
    options: new OptionsCache(),
    clock,
    log,
    tokenLimit,
    daemon: { machineID: '', systemd: 'system', ...options.daemon, version },
    newRequestId: () => randomUUID(),
    countUnit: (status) => metrics.countUnit(status),
  };
  return [
    ...v1Routes(deps, '/fleet/v1'),
    ...v1Routes(deps, '/v1-alpha'),
    ...v2Routes(deps, new EventReaders(deps)),
  ];
}

function gaugesOf(sockets: ClientSockets, admission: Admission): Readonly<Record<string, Gauge>> {
  return {
    fleet_http_connections: {
      help: 'Connections of clients that are open.',
      value: () => sockets.size,
    },
    fleet_http_requests_running: {
      help: 'Requests that are being carried out.',
      value: () => admission.running,
    },
    fleet_http_requests_waiting: {
      help: 'Requests that wait for their turn.',
      value: () => admission.waiting,
    },
    process_resident_memory_bytes: {
      help: 'Resident memory of fleetd in bytes.',
      value: () => process.memoryUsage.rss(),
    },
    nodejs_heap_size_used_bytes: {
      help: 'Heap of fleetd that is in use, in bytes; with what is not collected yet.',
      value: () => process.memoryUsage().heapUsed,
    },
  };
}

interface ApiServerOptions extends ApiOptions {
  readonly app: FastifyInstance;
  readonly metrics: Metrics;
  readonly admission: Admission;
  readonly closing: AbortSignal;
}

/** Puts the routes into fastify: what all of them have in common. */
class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #app: FastifyInstance;
  readonly #metrics: Metrics;
  readonly #closing: AbortSignal;
  readonly #admission: Admission;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#app = options.app;
    this.#metrics = options.metrics;
    this.#closing = options.closing;
    this.#admission = options.admission;
  }

  register(routes: readonly Route[]): void {
    const app = this.#app;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    app.addHook('preParsing', (request, reply, _payload, done) =>
      done(this.#refusal(request, reply)),
    );
    app.addHook('onResponse', (request, reply, done) => {
      if (!reply.raw.writableFinished) return done(); // the client is gone: nothing was answered
      const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
      this.#metrics.countRequest(request.method, route, reply.statusCode);
      done();
    });
    app.setErrorHandler(async (error, request, reply) => this.#fail(error, request, reply));
    app.setNotFoundHandler(async (request, reply) => this.#noRoute(routes, request, reply));
    for (const route of routes)
      app.route({
        method: route.method,
        url: route.path,
        handler: async (request, reply) => this.#serve(route, request, reply),
      });
    app.get('/metrics', async (_request, reply) =>
      reply.header('content-type', 'text/plain; version=0.0.4').send(this.#metrics.text()),
    );
  }

  /** What speaks against reading the body. */
  #refusal(request: FastifyRequest, reply: FastifyReply): FleetError | undefined {
    const { headers, raw } = request;
    if (headers.host === undefined && raw.httpVersion === '1.1')
      return requestError("header 'host' is missing");
    const length = headers['content-length'];
    if (length === undefined && headers['transfer-encoding'] === undefined) return undefined;
    try {
      const bytes = length === undefined ? undefined : Number(length);
      reply.raw.once('close', this.#admission.reserveBody(bytes, BODY_MAX_BYTES));
      return undefined;
    } catch (error) {
      if (!isFleetError(error)) throw error;
      void reply.header('connection', 'close'); // the body is not read
      return error;
    }
  }

  async #serve(route: Route, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const reason = this.#options.availability?.();
    if (reason !== undefined) throw unreachable(reason);
    if (route.method === 'PUT' || route.method === 'PATCH' || route.hasParts === true) {
      const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
      const isPatch = route.method === 'PATCH' && type === 'application/json-patch+json';
      if (type !== 'application/json' && !isPatch) {
        const error = requestError(
          `header 'content-type' is '${type ?? ''}', and must be 'application/json'`,
        );
        return sendError(reply, versionOf(request.url), 415, error);
      }
    }
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort(new Error('the client is gone')));
    const leave = route.hasParts === true ? undefined : await this.#admission.enter(gone.signal);
    let answer: Answer;
    try {
      answer = await route.handle(callOf(request, gone.signal));
    } finally {
      leave?.();
    }
    if ('stream' in answer) return await this.#stream(answer, reply, gone);
    return sendJson(reply, answer.status, answer.json, answer.headers);
  }

  /** Of what is under way, closing cuts off streams alone: a request of a client is carried out, and it is told so. */
  async #stream(
    answer: Extract<Answer, { stream: unknown }>,
    reply: FastifyReply,
    gone: AbortController,
  ): Promise<FastifyReply> {
    const end = (): void => gone.abort(new Error('the API is closing'));
    this.#closing.addEventListener('abort', end, { once: true });
    if (this.#closing.aborted) end();
    reply.hijack();
    try {
      await answer.stream(reply.raw);
    } catch (error) {
      const isOver = reply.raw.destroyed || this.#closing.aborted;
      if (!isOver) this.#options.log.error({ err: error }, 'event stream failed, closing it');
    } finally {
      this.#closing.removeEventListener('abort', end);
    }
    reply.raw.end();
    return reply;
  }

  async #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const version = versionOf(request.url);
    const refusal = refusalOf(error);
    if (refusal !== undefined) return sendError(reply, version, refusal.status, refusal.error);
    const log = reply.raw.destroyed ? SILENT : this.#options.log;
    const fields = { method: request.method, url: request.url };
    const { status, error: shown } = failureOf(error, log, fields);
    if (status === 503) void reply.header('retry-after', String(RETRY_AFTER_SEC));
    return sendError(reply, version, status, shown);
  }

  async #noRoute(
    routes: readonly Route[],
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const path = request.url.split('?')[0] ?? '';
    const allowed = routes.filter((route) => matches(route.path, path)).map(({ method }) => method);
    const version = versionOf(path);
    if (allowed.length === 0) {
      const error = new FleetError('NOT_FOUND', `there is nothing at '${path.slice(0, 200)}'`);
      return sendError(reply, version, 404, error);
    }
    void reply.header('allow', allowed.join(', '));
    const error = requestError(
      `method '${request.method}' is not allowed at '${path.slice(0, 200)}'`,
    );
    return sendError(reply, version, 405, error);
  }
}

/** For whoever is gone. */
const SILENT: ApiLog = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function callOf(request: FastifyRequest, signal: AbortSignal): Call {
  const at = request.url.indexOf('?');
  return {
    params: request.params as Readonly<Record<string, string>>, // of our own paths: all strings
    query: new URLSearchParams(at === -1 ? '' : request.url.slice(at + 1)),
    headers: request.headers,
    body: request.body instanceof Uint8Array ? request.body : undefined,
    signal,
  };
}

function sendJson(
  reply: FastifyReply,
  status: number,
  json: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): FastifyReply {
  void reply.code(status).headers({ ...headers, 'content-type': 'application/json' });
  // As bytes: to a string fastify would add a charset, which fleet 1.0 did not.
  return reply.send(json === undefined ? undefined : Buffer.from(json, 'utf8'));
}

function sendError(
  reply: FastifyReply,
  version: 'v1' | 'v2',
  status: number,
  error: FleetError,
): FastifyReply {
  return sendJson(reply, status, errorBody(version, status, error));
}

/** fastify's own refusals: a body too large, a header too long, a path that does not decode. */
function refusalOf(error: unknown): { status: number; error: FleetError } | undefined {
  if (error instanceof FleetError || !(error instanceof Error)) return undefined;
  const { statusCode } = error as Error & { statusCode?: unknown };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined;
  const message =
    statusCode === 413 ? `the body has more than ${BODY_MAX_BYTES} bytes` : error.message;
  return { status: statusCode, error: requestError(message) };
}

function requestError(message: string): FleetError {
  return new FleetError('REQUEST_INVALID', message.replaceAll('\n', ' '));
}

function versionOf(url: string): 'v1' | 'v2' {
  return url.startsWith('/fleet/v2') ? 'v2' : 'v1';
}

function matches(pattern: string, path: string): boolean {
  const parts = path.split('/');
  const wanted = pattern.split('/');
  return (
    parts.length === wanted.length &&
    wanted.every((part, at) => (part.startsWith(':') ? parts[at] !== '' : part === parts[at]))
  );
}
