// What a failure means in HTTP: total over the codes, so that a new code does not compile until it has an answer here.
import type { ErrorCode } from '../model/errors.ts';
import { FleetError, isFleetError } from '../model/errors.ts';
import type { ApiErrorBody } from './types.ts';

/** The status of each code. A record that cannot be read is 409: the request is right, what is stored stands in its way. */
export const httpStatus: Readonly<Record<ErrorCode, number>> = {
  API_BUSY: 503,
  API_UNREACHABLE: 502,
  BODY_INVALID: 400,
  CLUSTER_FORMAT_UNKNOWN: 503,
  CONFIG_INVALID: 500,
  DBUS_CALL_FAILED: 502,
  DBUS_CLOSED: 503,
  DBUS_TIMEOUT: 504,
  INTERNAL: 500,
  LEADERSHIP_LOST: 503,
  MACHINE_ID_TAKEN: 503,
  MACHINE_NOT_FOUND: 404,
  MACHINE_PRESENT: 409,
  NOT_FOUND: 404,
  PAGE_TOKEN_INVALID: 400,
  PROVISION_FAILED: 500,
  PROVISION_INVALID: 400,
  REGISTRY_BUSY: 503,
  REGISTRY_RECORD_INVALID: 409,
  REQUEST_INVALID: 400,
  STORE_COMPACTED: 410,
  STORE_FILE_INVALID: 503,
  STORE_IN_USE: 503,
  STORE_LEASE_GONE: 503,
  STORE_LIMIT: 413,
  STORE_REVERTED: 410,
  STORE_UNAVAILABLE: 503,
  STORE_WATCH_LOST: 503,
  UNIT_CONFLICT: 409,
  UNIT_EXISTS_ELSEWHERE: 409,
  UNIT_FILE_INVALID: 400,
  UNIT_NAME_INVALID: 400,
  UNIT_NOT_FOUND: 404,
  USAGE: 400,
  WAIT_ENDED: 504,
};

/** seconds after which a client that got 503 may ask again. */
export const RETRY_AFTER_SEC = 1;

/** What people and scripts look for when no store is in reach: fleetctl of fleet 1.0 printed these words. */
const NO_STORE = 'fleet server unable to communicate with etcd';

const STORE_AWAY: ReadonlySet<ErrorCode> = new Set([
  'CLUSTER_FORMAT_UNKNOWN',
  'MACHINE_ID_TAKEN',
  'STORE_FILE_INVALID',
  'STORE_IN_USE',
  'STORE_LEASE_GONE',
  'STORE_UNAVAILABLE',
]);

/** The failure as it is told to a client; what is no FleetError is a bug, and its words stay in the log. */
export function publicError(error: unknown): FleetError {
  if (!isFleetError(error))
    return new FleetError('INTERNAL', 'fleetd has a fault; its log says more', {
      cause: error,
      hint: 'Look at it with: journalctl -u fleet',
    });
  if (error.code === 'STORE_COMPACTED' || error.code === 'STORE_REVERTED')
    return new FleetError(
      error.code,
      "the listing of 'nextPageToken' is older than the history that the store keeps",
      {
        cause: error,
        hint: 'Begin it anew, without nextPageToken.',
      },
    );
  if (!STORE_AWAY.has(error.code) || error.message.startsWith(NO_STORE)) return error;
  return unreachable(error.message, error);
}

/** The failure of every request while fleetd itself knows that it cannot serve. */
export function unreachable(reason: string, cause?: unknown): FleetError {
  return new FleetError('STORE_UNAVAILABLE', `${NO_STORE}: ${reason}`, {
    cause,
    hint: 'Units that run go on; try again.',
  });
}

/** characters of a message: what a client has sent may stand in it. */
const MESSAGE_MAX_CHARS = 2_000;

/** What a client has sent may stand in a message: one line, without what would steer the terminal that shows it. */
function shownMessage(message: string): string {
  const escaped = message.replaceAll(
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  if (escaped.length <= MESSAGE_MAX_CHARS) return escaped;
  return `${escaped.slice(0, MESSAGE_MAX_CHARS)}…`;
}

/** The body of a failure. v1 has a code and a message, with the hint in it; v2 also has our code and the hint by itself. */
export function errorBody(version: 'v1' | 'v2', status: number, error: FleetError): string {
  const body: ApiErrorBody = { error: errorOf(version, status, error) };
  return JSON.stringify(body);
}

/** What stands in it. */
export function errorOf(
  version: 'v1' | 'v2',
  status: number,
  { hint, code, message: words }: FleetError,
): ApiErrorBody['error'] {
  const message = shownMessage(words);
  if (version === 'v1')
    return { code: status, message: hint === undefined ? message : `${message} (${hint})` };
  return { code: status, message, status: code, ...(hint === undefined ? {} : { hint }) };
}
