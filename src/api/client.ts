// What fleetctl speaks with: HTTP to one fleetd, over a unix socket or TCP. Loads nothing but Node, so that fleetctl starts fast.
// Invariant: an answer that is no success becomes a FleetError with the server's own words; nothing hangs past its timeout.
import { Agent, request, type IncomingMessage } from 'node:http';
import { FleetError, type ErrorCode } from '../model/errors.ts';
import type {
  V1Machine,
  V1MachinePage,
  V1StatePage,
  V1UnitState,
  V2Daemon,
  V2Event,
  V2Explanation,
  V2PutUnit,
  V2Unit,
  V2UnitPage,
} from './types.ts';

export interface ClientOptions {
  /** `unix:///path` or `http://host:port`; several are tried in order until one accepts. */
  readonly endpoints: readonly string[];
  /** ms for one whole answer; events have no such bound. */
  readonly requestTimeoutMs: number;
}

interface Target {
  readonly name: string;
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  readonly basePath: string;
}

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE' | 'PATCH';
  readonly path: string;
  readonly body?: unknown;
}

/** An event and the store's revision that it happened at. */
export interface Happening {
  readonly revision: bigint;
  readonly event: V2Event;
}

/** A client of one fleet API. Connections are kept for its lifetime; `close` ends them. */
export class FleetClient {
  readonly #targets: readonly Target[];
  readonly #timeoutMs: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });

  constructor(options: ClientOptions) {
    this.#targets = options.endpoints.map(parseEndpoint);
    this.#timeoutMs = options.requestTimeoutMs;
  }

  /** Every unit, in order of name. */
  async units(signal: AbortSignal): Promise<readonly V2Unit[]> {
    const all: V2Unit[] = [];
    for (let token = ''; ;) {
      const page = await this.#json<V2UnitPage>(
        { method: 'GET', path: `/fleet/v2/units${pageQuery(token)}` },
        signal,
      );
      all.push(...page.units);
      if (page.nextPageToken === undefined) return all;
      token = page.nextPageToken;
    }
  }

  /** The store's revision now, to follow events from. */
  async revision(signal: AbortSignal): Promise<string> {
    const page = await this.#json<V2UnitPage>(
      { method: 'GET', path: '/fleet/v2/units?limit=1' },
      signal,
    );
    return page.revision;
  }

  /** One unit with its text and states; UNIT_NOT_FOUND when there is none. */
  async unit(name: string, signal: AbortSignal): Promise<V2Unit> {
    return await this.#json({ method: 'GET', path: unitPath(name) }, signal);
  }

  /** Creates, replaces or changes; answers the unit as it now is, without text and states. */
  async putUnit(name: string, body: V2PutUnit, signal: AbortSignal): Promise<V2Unit> {
    return await this.#json({ method: 'PUT', path: unitPath(name), body }, signal);
  }

  async destroyUnit(name: string, signal: AbortSignal): Promise<void> {
    await this.#call({ method: 'DELETE', path: unitPath(name) }, signal);
  }

  async explain(name: string, signal: AbortSignal): Promise<V2Explanation> {
    return await this.#json({ method: 'GET', path: `${unitPath(name)}/explain` }, signal);
  }

  /** What present machines report of units. */
  async states(signal: AbortSignal): Promise<readonly V1UnitState[]> {
    const all: V1UnitState[] = [];
    for (let token = ''; ;) {
      const page = await this.#json<V1StatePage>(
        { method: 'GET', path: `/fleet/v1/state${pageQuery(token)}` },
        signal,
      );
      all.push(...(page.states ?? []));
      if (page.nextPageToken === undefined) return all;
      token = page.nextPageToken;
    }
  }

  /** Machines that are present. */
  async machines(signal: AbortSignal): Promise<readonly V1Machine[]> {
    const all: V1Machine[] = [];
    for (let token = ''; ;) {
      const page = await this.#json<V1MachinePage>(
        { method: 'GET', path: `/fleet/v1/machines${pageQuery(token)}` },
        signal,
      );
      all.push(...(page.machines ?? []));
      if (page.nextPageToken === undefined) return all;
      token = page.nextPageToken;
    }
  }

  /** The fleetd that answers. */
  async daemon(signal: AbortSignal): Promise<V2Daemon> {
    return await this.#json({ method: 'GET', path: '/fleet/v2/daemon' }, signal);
  }

  /** Events of units whose name begins with `prefix`, after `revision`; ends quietly on abort, throws API_UNREACHABLE when cut. */
  async *events(prefix: string, revision: string, signal: AbortSignal): AsyncIterable<Happening> {
    const query = new URLSearchParams({ prefix, after: revision });
    const response = await this.#open(
      { method: 'GET', path: `/fleet/v2/events?${query.toString()}` },
      signal,
    );
    if (response.statusCode !== 200) throw serverError(response, await textOf(response));
    try {
      let rest = '';
      response.setEncoding('utf8');
      for await (const chunk of response as AsyncIterable<string>) {
        const blocks = (rest + chunk).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const happening = parseBlock(block);
          if (happening !== undefined) yield happening;
        }
      }
    } catch (error) {
      if (!signal.aborted) throw unreachable(this.#targets, error);
    } finally {
      response.destroy();
    }
    if (!signal.aborted) throw unreachable(this.#targets, new Error('the event stream ended'));
  }

  close(): void {
    this.#agent.destroy();
  }

  async #json<T>(call: Call, signal: AbortSignal): Promise<T> {
    const { text } = await this.#call(call, signal);
    return JSON.parse(text) as T;
  }

  async #call(call: Call, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const either = AbortSignal.any([signal, timeout]); // once a request in a short-lived process
    try {
      const response = await this.#open(call, either);
      const text = await textOf(response);
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw serverError(response, text);
      return { status, text };
    } catch (error) {
      signal.throwIfAborted();
      if (timeout.aborted) {
        throw new FleetError(
          'API_UNREACHABLE',
          `no answer from ${this.#targets.map((t) => t.name).join(', ')} within ${this.#timeoutMs / 1000} s`,
          { cause: error, hint: 'Raise --request-timeout, or look at fleetd: journalctl -u fleet' },
        );
      }
      throw error;
    }
  }

  async #open(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    let last: unknown;
    for (const target of this.#targets) {
      try {
        return await this.#send(target, call, signal);
      } catch (error) {
        signal.throwIfAborted();
        last = error;
      }
    }
    throw unreachable(this.#targets, last);
  }

  #send(target: Target, call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    return new Promise((resolve, reject) => {
      const outgoing = request({
        ...(target.socketPath === undefined
          ? { host: target.host, port: target.port }
          : { socketPath: target.socketPath }),
        agent: this.#agent,
        method: call.method,
        path: target.basePath + call.path,
        headers:
          body === undefined
            ? {}
            : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
        signal,
      });
      outgoing.once('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

/** One block of a server-sent event stream; undefined for a comment. */
function parseBlock(block: string): Happening | undefined {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  const data = field('data');
  if (data === undefined) return undefined;
  return { revision: BigInt(field('id') ?? 0), event: JSON.parse(data) as V2Event };
}

/** Reads `unix:///path`, `http://host[:port]`; anything else is USAGE. */
function parseEndpoint(text: string): Target {
  const usage = (): FleetError =>
    new FleetError('USAGE', `'${text}' is no endpoint`, {
      hint: 'Write unix:///var/run/fleet.sock or http://HOST:PORT.',
    });
  if (text.startsWith('unix://')) {
    const socketPath = text.slice('unix://'.length);
    if (socketPath === '') throw usage();
    return { name: text, socketPath, basePath: '' };
  }
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || url.protocol !== 'http:') throw usage();
  const basePath = url.pathname.replace(/\/+$/, '');
  return {
    name: text,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    basePath,
  };
}

function pageQuery(token: string): string {
  return token === '' ? '' : `?nextPageToken=${encodeURIComponent(token)}`;
}

function unitPath(name: string): string {
  return `/fleet/v2/units/${encodeURIComponent(name)}`;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** The server's own words; v2 also carries our code and a hint. */
function serverError(response: IncomingMessage, text: string): FleetError {
  const status = response.statusCode ?? 0;
  let message = `the server answered ${status}`;
  let code: ErrorCode = status === 404 ? 'NOT_FOUND' : 'REQUEST_INVALID';
  if (status >= 500) code = 'STORE_UNAVAILABLE';
  let hint: string | undefined;
  try {
    const body = JSON.parse(text) as {
      error?: { message?: string; status?: string; hint?: string };
    };
    message = body.error?.message ?? message;
    if (body.error?.status !== undefined) code = body.error.status as ErrorCode;
    hint = body.error?.hint;
  } catch {
    // Not JSON: something else answers there.
    message = `${message}, not in the words of fleet's API`;
  }
  return new FleetError(code, message, hint === undefined ? {} : { hint });
}

function unreachable(targets: readonly Target[], cause: unknown): FleetError {
  const names = targets.map((target) => target.name).join(', ');
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new FleetError('API_UNREACHABLE', `no fleet API at ${names}${why}`, {
    cause,
    hint: 'Is fleetd running? systemctl status fleet; or name another with --endpoint.',
  });
}
