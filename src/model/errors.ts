// The one error class of the project. A FleetError is an expected failure with a code; anything else is a bug.
// Invariant: codes are API: never reused, each documented in docs/errors.md.

export type ErrorCode =
  | 'API_BUSY'
  | 'API_UNREACHABLE'
  | 'BODY_INVALID'
  | 'CLUSTER_FORMAT_UNKNOWN'
  | 'CONFIG_INVALID'
  | 'DBUS_CALL_FAILED'
  | 'DBUS_CLOSED'
  | 'DBUS_TIMEOUT'
  | 'INTERNAL'
  | 'LEADERSHIP_LOST'
  | 'MACHINE_ID_TAKEN'
  | 'MACHINE_NOT_FOUND'
  | 'MACHINE_PRESENT'
  | 'NOT_FOUND'
  | 'PAGE_TOKEN_INVALID'
  | 'PROVISION_FAILED'
  | 'PROVISION_INVALID'
  | 'REGISTRY_BUSY'
  | 'REGISTRY_RECORD_INVALID'
  | 'REQUEST_INVALID'
  | 'STORE_COMPACTED'
  | 'STORE_FILE_INVALID'
  | 'STORE_IN_USE'
  | 'STORE_LEASE_GONE'
  | 'STORE_LIMIT'
  | 'STORE_REVERTED'
  | 'STORE_UNAVAILABLE'
  | 'STORE_WATCH_LOST'
  | 'UNIT_CONFLICT'
  | 'UNIT_EXISTS_ELSEWHERE'
  | 'UNIT_FILE_INVALID'
  | 'UNIT_NAME_INVALID'
  | 'UNIT_NOT_FOUND'
  | 'USAGE'
  | 'WAIT_ENDED';

export interface FleetErrorOptions {
  readonly cause?: unknown;
  /** What the person can do about it: one sentence. */
  readonly hint?: string;
  /** The values of the message, as data. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An expected failure. The message is one lowercase line that is true by itself. */
export class FleetError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: FleetErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'FleetError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }
}

/** Says whether `error` is an expected failure: any, or one of `codes`. */
export function isFleetError<C extends ErrorCode>(
  error: unknown,
  ...codes: readonly C[]
): error is FleetError & { readonly code: C } {
  return (
    error instanceof FleetError &&
    (codes.length === 0 || (codes as readonly ErrorCode[]).includes(error.code))
  );
}
