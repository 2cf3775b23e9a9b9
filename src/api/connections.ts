// The connections of a client: over a unix socket or TCP, with or without TLS, from this machine or from another.
// Invariant: they are kept for as long as the client lives; what is not asked for (TLS) is not loaded.
import type {
  Agent,
  AgentOptions,
  ClientRequest,
  IncomingMessage,
  RequestOptions,
} from 'node:http';
import { isIP } from 'node:net';
import { FleetError } from '../model/errors.ts';
import { http, loadHttps } from '../runtime/http.ts';

export interface ConnectionOptions {
  /** PEM files for https. */
  readonly tls?: TlsFiles;
  /** Where endpoints are not reached from this machine itself. */
  readonly passage?: Passage | undefined;
  /** Hears of each request; what it answers hears of its end. */
  readonly trace?: ((request: string) => (outcome: string) => void) | undefined;
}

/** The texts of PEM files: whom to trust, and who we are. */
export interface TlsFiles {
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

/** Another machine from which endpoints are reached. */
export interface Passage {
  readonly name: string;
  readonly connectionsMax: number;
  /** The path of a socket here that leads to the target there. */
  socketTo(target: EndpointTarget): Promise<string>;
}

/** A socket in the file system, or a host and a port. */
export interface EndpointTarget {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
}

/** One endpoint. */
export interface Target {
  readonly name: string;
  readonly at: EndpointTarget;
  readonly isSecure: boolean;
  readonly basePath: string;
}

/** connections at once */
const CONNECTIONS_MAX = 32;

/** One request. */
export interface Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH';
  readonly path: string;
  readonly body?: unknown;
  /** ms without a byte after which the connection counts as lost. */
  readonly silenceMs?: number;
}

/** What sends requests, and keeps connections for more. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #transports = new Map<boolean, Transport>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Ends when the answer begins. */
  async send(target: Target, call: Request, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const transport = this.#transport(target.isSecure);
    const options: RequestOptions = {
      ...(await this.#addressOf(target)),
      agent: transport.agent,
      // Without TLS nobody needs one, and to find it out costs 10 ms.
      ...(target.isSecure ? {} : { servername: '' }),
      method: call.method,
      path: target.basePath + call.path,
      headers:
        body === undefined
          ? {}
          : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      signal,
    };
    const ended = this.#options.trace?.(`${call.method} ${options.path ?? ''} of ${target.name}`);
    return await new Promise((resolve, reject) => {
      const outgoing = transport.request(options);
      let isSought = isName(options.host) && options.socketPath === undefined;
      outgoing.once('socket', (socket) => {
        isSought &&= socket.connecting; // a kept one is connected
        if (isSought) socket.once('lookup', () => (isSought = false));
      });
      if (call.silenceMs !== undefined)
        outgoing.setTimeout(call.silenceMs, () => {
          outgoing.destroy(new Error('nothing was heard for too long'));
        });
      outgoing.once('response', (response) => {
        ended?.(`status ${response.statusCode ?? 0}`);
        resolve(response);
      });
      outgoing.on('error', (error) => {
        ended?.(error.message);
        reject(isSought && signal.aborted ? unresolved(options.host, error) : error);
      });
      outgoing.end(body);
    });
  }

  async #addressOf({ at }: Target): Promise<EndpointTarget> {
    const { passage } = this.#options;
    if (passage === undefined) return at;
    return { ...at, socketPath: await passage.socketTo(at) };
  }

  #transport(isSecure: boolean): Transport {
    const known = this.#transports.get(isSecure);
    if (known !== undefined) return known;
    const { passage, tls } = this.#options;
    const pool = { keepAlive: true, maxSockets: passage?.connectionsMax ?? CONNECTIONS_MAX };
    const made = isSecure
      ? overTls(pool, tls)
      : { agent: new http.Agent(pool), request: http.request };
    this.#transports.set(isSecure, made);
    return made;
  }

  close(): void {
    for (const { agent } of this.#transports.values()) agent.destroy();
  }
}

function overTls(pool: AgentOptions, tls: TlsFiles | undefined): Transport {
  const https = loadHttps();
  return { agent: new https.Agent({ ...pool, ...tls }), request: https.request };
}

function isName(host: string | null | undefined): host is string {
  return typeof host === 'string' && isIP(host) === 0;
}

function unresolved(host: string | null | undefined, cause: Error): FleetError {
  return new FleetError('API_UNREACHABLE', `no resolver has an address of '${host ?? ''}' yet`, {
    cause,
    hint: 'Is the name right? See: getent hosts NAME; or give an address in --endpoint.',
  });
}

/** HTTP with or without TLS. */
interface Transport {
  readonly agent: Agent;
  readonly request: (options: RequestOptions) => ClientRequest;
}

/** A host and its port without a scheme; a word alone is rather a slip than a host whose port is 80. */
const HOST_AND_PORT = /^(?:\[[\da-fA-F:.]+\]|[\w.-]+):\d+$/;

/** Reads `unix:///path`, `http://host[:port]`, `https://…` or `host:port`; anything else is USAGE. */
export function parseEndpoint(text: string): Target {
  if (text.startsWith('unix://')) {
    const socketPath = text.slice('unix://'.length);
    if (!socketPath.startsWith('/')) throw noEndpoint(text);
    return { name: text, at: { socketPath }, isSecure: false, basePath: '' };
  }
  const url = URL.parse(HOST_AND_PORT.test(text) ? `http://${text}` : text);
  const isSecure = url?.protocol === 'https:';
  if (url === null || (url.protocol !== 'http:' && !isSecure)) throw noEndpoint(text);
  const basePath = url.pathname.replace(/\/+$/, '');
  return {
    name: text,
    at: {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? (isSecure ? 443 : 80) : Number(url.port),
    },
    isSecure,
    basePath,
  };
}

function noEndpoint(text: string): FleetError {
  return new FleetError('USAGE', `'${text}' is no endpoint`, {
    hint: text.startsWith('/')
      ? `A socket is written unix://${text}.`
      : 'Write unix:///var/run/fleet.sock, http://HOST:PORT or https://HOST:PORT.',
  });
}
