// The HTTP listeners of the API: timeouts, connections, and the answers to what never becomes a request.
// Invariant: whatever comes in, the answer is JSON of the documented shape or the end of the connection.
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { FleetError } from '../model/errors.ts';
import { CLIENT_TIMEOUT_MS, CONNECTIONS_MAX, HEADER_MAX_BYTES } from '../model/limits.ts';
import { http } from '../runtime/http.ts';
import type { ClientSockets } from './client-sockets.ts';
import { errorBody, RETRY_AFTER_SEC } from './status.ts';

/** ms in which a client that is refused can take its answer. */
const REFUSED_MS = 2_000;

/** A server that passes what is proper HTTP to `serve`; `name` is its Server header. */
export function newHttpServer(
  serve: RequestListener,
  name: string,
  sockets: ClientSockets,
): Server {
  const server = http.createServer(
    {
      maxHeaderSize: HEADER_MAX_BYTES,
      headersTimeout: CLIENT_TIMEOUT_MS / 6,
      requestTimeout: CLIENT_TIMEOUT_MS,
      keepAliveTimeout: CLIENT_TIMEOUT_MS,
      // Refused where all other requests are answered: by itself Node sends no JSON.
      requireHostHeader: false,
    },
    (request, response) => {
      if (!sockets.began(request.socket)) return; // the connection was refused
      response.setHeader('server', name);
      response.once('close', () => {
        sockets.ended(request.socket);
        // A client keeps its connection: on a server that closes, it must not be waited for.
        if (!server.listening) server.closeIdleConnections();
      });
      serve(request, response);
    },
  );
  server.on('connection', (socket) => {
    if (sockets.take(socket)) return;
    const error = new FleetError('API_BUSY', `${CONNECTIONS_MAX} clients are served already`, {
      hint: 'Nothing was done; try again, or ask another fleetd.',
    });
    socket.setTimeout(REFUSED_MS, () => socket.destroy());
    socket.end(rawAnswer(name, 503, error));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') socket.destroy();
    else endWith(socket as Socket, malformedAnswer(name, error.code)); // of a server without TLS
  });
  server.on('checkExpectation', (request, response) => {
    const { expect = '' } = request.headers;
    const error = invalid(`header 'expect' is '${expect}', and may be '100-continue' only`);
    response.writeHead(417, { server: name, 'content-type': 'application/json' });
    response.end(errorBody('v2', 417, error));
  });
  server.on('connect', (_request, socket) => {
    endWith(socket as Socket, rawAnswer(name, 405, invalid("method 'CONNECT' is not allowed")));
  });
  // Those that are refused have to be heard of it: only a flood of them is turned away in silence.
  server.maxConnections = 2 * CONNECTIONS_MAX;
  server.timeout = CLIENT_TIMEOUT_MS; // without traffic; event streams have their heartbeat
  return server;
}

/** Takes no more connections; ends when all requests are answered. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  await closed;
}

/** The answer to what is no HTTP, has too long a header or comes too slowly: no route has seen it. */
function malformedAnswer(name: string, code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW')
    return rawAnswer(name, 431, invalid(`the headers have more than ${HEADER_MAX_BYTES} bytes`));
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return rawAnswer(name, 408, invalid('the request did not come in time'));
  return rawAnswer(name, 400, invalid('the request is not HTTP'));
}

function endWith(socket: Socket, answer: string): void {
  socket.end(answer, () => socket.destroy());
}

function rawAnswer(name: string, status: number, error: FleetError): string {
  const body = errorBody('v2', status, error);
  return [
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}`,
    `Server: ${name}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(status === 503 ? [`Retry-After: ${RETRY_AFTER_SEC}`] : []),
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

function invalid(message: string): FleetError {
  return new FleetError('REQUEST_INVALID', message);
}
