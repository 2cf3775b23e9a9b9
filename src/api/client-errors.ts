// What goes wrong between a client and the API, as failures with the server's own words or with what to do.
import type { IncomingMessage } from 'node:http';
import { FleetError, type ErrorCode } from '../model/errors.ts';
import type { Target } from './connections.ts';
import type { ApiErrorBody } from './types.ts';

/** ms that a server may have us wait between two tries. */
const RETRY_AFTER_MAX_MS = 10_000;

/** More clients connect to a unix socket than wait in its queue: nothing was sent. */
export function manyConnect({ name }: Target, cause: unknown): FleetError {
  const hint = 'Nothing was done; try again, or ask another fleetd.';
  return new FleetError('API_BUSY', `too many clients connect to ${name} at once`, {
    cause,
    hint,
    details: { retryAfter: '1' },
  });
}

/** The server's own words; v2 also carries our code and a hint. */
export function serverError(response: IncomingMessage, text: string): FleetError {
  const body = errorOf(text);
  if (body?.message === undefined) return notFleet(response);
  const { message } = body;
  return failureIn(response.statusCode ?? 0, { ...body, message }, response.headers['retry-after']);
}

/** The same of an answer that is one of several. */
export function failureIn(
  httpStatus: number,
  { message, hint, status: code }: Omit<ApiErrorBody['error'], 'code'>,
  retryAfter?: string,
): FleetError {
  return new FleetError(
    code === undefined ? codeOfStatus(httpStatus) : (code as ErrorCode), // ours: v2
    message,
    {
      ...(hint === undefined ? {} : { hint }),
      ...(retryAfter === undefined ? {} : { details: { retryAfter } }),
    },
  );
}

/** After how many ms to ask again; undefined where the answer does not say that one should. */
export function retryMs({ details: { retryAfter } }: FleetError): number | undefined {
  if (typeof retryAfter !== 'string' || !/^[0-9]{1,6}$/.test(retryAfter)) return undefined;
  return Math.min(Number(retryAfter) * 1000, RETRY_AFTER_MAX_MS);
}

function errorOf(text: string): Partial<ApiErrorBody['error']> | undefined {
  try {
    return (JSON.parse(text) as Partial<ApiErrorBody> | null)?.error;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 404) return 'NOT_FOUND';
  return status >= 500 ? 'STORE_UNAVAILABLE' : 'REQUEST_INVALID';
}

export function notFleet(response: IncomingMessage): FleetError {
  return new FleetError(
    'API_UNREACHABLE',
    `what answers is not fleet's API (status ${response.statusCode ?? 0})`,
    { hint: 'Look at --endpoint.' },
  );
}

export function late(targets: readonly Target[], timeoutMs: number, cause: unknown): FleetError {
  const names = targets.map(({ name }) => name).join(', ');
  const known = cause instanceof FleetError ? cause : undefined;
  const why = known === undefined ? '' : `: ${known.message}`;
  const hint = known?.hint ?? 'Raise --request-timeout, or look at fleetd: journalctl -u fleet';
  return new FleetError(
    'API_UNREACHABLE',
    `no answer from ${names} within ${timeoutMs / 1000} s${why}`,
    { cause, hint },
  );
}

export function unreachable(targets: readonly Target[], cause: unknown): FleetError {
  const names = targets.map((target) => target.name).join(', ');
  // Where a name has several addresses, Node's error has no message.
  const inner: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  const why = inner instanceof Error ? `: ${inner.message}` : '';
  return new FleetError('API_UNREACHABLE', `no fleet API at ${names}${why}`, {
    cause,
    hint: 'Is fleetd running? systemctl status fleet; or name another with --endpoint.',
  });
}
