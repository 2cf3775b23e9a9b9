// What a failed gRPC call means: the code for the caller, whether another try may help, and whether the request may have been carried out.
// Invariant: `sent: 'no'` is said only where etcd or gRPC cannot have carried the request out.
import { FleetError, isFleetError, type FleetErrorOptions } from '../../model/errors.ts';

export interface Failure {
  readonly error: FleetError;
  /** Whether the same request may go better, on this member or another. */
  readonly again: boolean;
  /** 'maybe': a write may have been committed, and must not be sent again. */
  readonly sent: 'no' | 'maybe';
  /** The token is no longer good: ask for a new one first. */
  readonly tokenStale: boolean;
}

/** Why we ended a call ourselves. */
export type EndReason = 'timeout' | 'closed';

/** A try that we ended ourselves. */
export class EndedCall extends Error {
  readonly reason: EndReason;

  constructor(reason: EndReason) {
    super(reason);
    this.name = 'EndedCall';
    this.reason = reason;
  }
}

/** The error of every call on a store that was closed. */
export function closedError(): FleetError {
  return new FleetError('STORE_UNAVAILABLE', 'the connection to etcd was closed', {
    details: { closed: true },
  });
}

/** Explains `error`, which a try on the member at `endpoint` threw. Rethrows what is a bug. */
export function explain(error: unknown, endpoint: string): Failure {
  if (isFleetError(error)) return final(error);
  if (error instanceof EndedCall) {
    if (error.reason === 'closed') return final(closedError());
    return retry('maybe', unavailable(endpoint, 'did not answer in time', error));
  }
  if (!isGrpcError(error)) throw error;
  const known = fromText.find(({ text }) => error.details.includes(text));
  if (known !== undefined) return known.means(endpoint, error);
  if (error.code === grpcStatus.unavailable && notSent.test(error.details)) {
    return retry('no', unavailable(endpoint, 'is not reached', error));
  }
  const answer = unavailable(endpoint, `answers '${error.details}'`, error);
  return refusals.has(error.code) ? final(answer) : retry('maybe', answer);
}

/** The statuses that mean something by themselves; github.com/grpc/grpc, doc/statuscodes.md. */
const grpcStatus = { invalidArgument: 3, unimplemented: 12, unavailable: 14 } as const;

/** The same request will be refused again, and was not carried out. */
const refusals: ReadonlySet<number> = new Set([
  grpcStatus.invalidArgument,
  grpcStatus.unimplemented,
]);

/** What grpc-js says when no stream was opened: load-balancer-pick-first.ts, internal-channel.ts. Tests hold it to that. */
const notSent =
  /^(No connection established|Channel closed before call started|Name resolution failed|Stream refused by server)/;

interface GrpcError extends Error {
  readonly code: number;
  readonly details: string;
}

function isGrpcError(error: unknown): error is GrpcError {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    typeof error.details === 'string'
  );
}

function final(error: FleetError): Failure {
  return { error, again: false, sent: 'no', tokenStale: false };
}

function retry(sent: 'no' | 'maybe', error: FleetError): Failure {
  return { error, again: true, sent, tokenStale: false };
}

function unavailable(endpoint: string, what: string, cause: Error): FleetError {
  return new FleetError('STORE_UNAVAILABLE', `etcd at '${endpoint}' ${what}`, {
    cause,
    hint: 'Check that etcd runs and has a leader: etcdctl endpoint status --cluster',
    details: { endpoint },
  });
}

type Means = (endpoint: string, cause: GrpcError) => Failure;

function fails(code: FleetError['code'], message: string, hint: string): Means {
  return (endpoint, cause) => {
    const options: FleetErrorOptions = { cause, hint, details: { endpoint } };
    return final(new FleetError(code, message, options));
  };
}

function refused(what: string): Means {
  return (endpoint, cause) => retry('no', unavailable(endpoint, what, cause));
}

function staleToken(endpoint: string, cause: GrpcError): Failure {
  const error = unavailable(endpoint, 'no longer takes our token', cause);
  return { error, again: true, sent: 'no', tokenStale: true };
}

const largerHint = 'Start etcd with the default --max-request-bytes and --max-txn-ops, or more.';
const userHint = 'Check etcd_username and etcd_password, and the role of that user.';

/** etcd's own words; etcd 3.4, etcdserver/api/v3rpc/rpctypes/error.go. A gRPC code alone would not tell them apart. */
const fromText: readonly { readonly text: string; readonly means: Means }[] = [
  {
    text: 'mvcc: required revision has been compacted',
    means: fails('STORE_COMPACTED', 'the revision asked for is compacted', 'List again.'),
  },
  {
    text: 'mvcc: required revision is a future revision',
    means: fails(
      'STORE_REVERTED',
      'etcd has not reached the revision asked for: it was restored from a backup, or is another store',
      'List again.',
    ),
  },
  {
    text: 'requested lease not found',
    means: fails('STORE_LEASE_GONE', 'etcd does not know the lease (any more)', 'Grant a new one.'),
  },
  {
    text: 'request is too large',
    means: fails('STORE_LIMIT', 'etcd says that the request is too large', largerHint),
  },
  {
    text: 'too many operations in txn request',
    means: fails('STORE_LIMIT', 'etcd says that a transaction has too many operations', largerHint),
  },
  {
    text: 'mvcc: database space exceeded',
    means: fails(
      'STORE_UNAVAILABLE',
      'etcd takes no writes: its database is full',
      'Compact and defragment it, then: etcdctl alarm disarm',
    ),
  },
  {
    text: 'authentication failed, invalid user ID or password',
    means: fails('STORE_UNAVAILABLE', 'etcd refuses the user name or password', userHint),
  },
  {
    text: 'permission denied',
    means: fails('STORE_UNAVAILABLE', 'etcd denies its user access to the keys', userHint),
  },
  {
    text: 'user name is empty',
    means: fails('STORE_UNAVAILABLE', 'etcd wants a user name and password', userHint),
  },
  { text: 'invalid auth token', means: staleToken },
  { text: 'auth: revision in header is old', means: staleToken },
  // Answered before the request is proposed: with `hasleader`, and by the limit on what is not applied yet.
  { text: 'etcdserver: no leader', means: refused('has no leader') },
  { text: 'etcdserver: too many requests', means: refused('has too many requests') },
];
