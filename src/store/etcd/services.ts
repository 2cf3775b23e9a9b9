// What we use of etcd3: its .proto definitions and gRPC clients for one member. Retries, timeouts and streams are ours.
// Invariant: nothing here waits, retries or resumes: etcd3's own policies never run.
import type { CallOptions, ClientDuplexStream, Metadata, ServiceError } from '@grpc/grpc-js';
import {
  Etcd3,
  type IAuthenticateRequest,
  type IAuthenticateResponse,
  type ICompactionRequest,
  type ICompactionResponse,
  type ILeaseGrantRequest,
  type ILeaseGrantResponse,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type ILeaseRevokeRequest,
  type ILeaseRevokeResponse,
  type IOptions,
  type IRangeRequest,
  type IRangeResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';

/** A call that gRPC has begun. */
export interface PendingCall {
  cancel(): void;
}

/** One method of a gRPC client that answers once. */
export type UnaryMethod<Request, Answer> = (
  request: Request,
  metadata: Metadata,
  answered: (error: ServiceError | null, answer?: Answer) => void,
) => PendingCall;

export type WatchStream = ClientDuplexStream<IWatchRequest, IWatchResponse>;
export type KeepAliveStream = ClientDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/** The gRPC methods of one member. */
export interface Services {
  range: UnaryMethod<IRangeRequest, IRangeResponse>;
  txn: UnaryMethod<ITxnRequest, ITxnResponse>;
  compact: UnaryMethod<ICompactionRequest, ICompactionResponse>;
  leaseGrant: UnaryMethod<ILeaseGrantRequest, ILeaseGrantResponse>;
  leaseRevoke: UnaryMethod<ILeaseRevokeRequest, ILeaseRevokeResponse>;
  authenticate: UnaryMethod<IAuthenticateRequest, IAuthenticateResponse>;
  watch(metadata: Metadata, options: CallOptions): WatchStream;
  leaseKeepAlive(metadata: Metadata): KeepAliveStream;
  close(): void;
}

/** TLS files of a connection, as they were read. */
export interface Credentials {
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

const channelOptions = {
  // A backlog of events comes in messages over gRPC's default of 4 MB, which it would answer by breaking the stream.
  'grpc.max_receive_message_length': -1,
  // A frozen member or a dead connection ends streams after 7 s. etcd takes pings every 5 s at most …
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 2000,
  // … and only while a call is open: otherwise it ends the connection with 'too_many_pings', and gRPC doubles the interval.
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.min_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 1000,
  // The environment's proxy is for the web, not for the store.
  'grpc.enable_http_proxy': 0,
};

/** Makes the clients of the member at `address` ('host:port'); connects at the first call. */
export function connectServices(address: string, credentials: Credentials | undefined): Services {
  const options: IOptions = { hosts: address, grpcOptions: channelOptions };
  if (credentials !== undefined) {
    const { ca, cert, key } = credentials;
    // etcd3's type insists on a root certificate; gRPC takes the system's without one.
    options.credentials = {
      ...(ca === undefined ? {} : { rootCertificate: ca }),
      ...(cert === undefined ? {} : { certChain: cert }),
      ...(key === undefined ? {} : { privateKey: key }),
    } as NonNullable<IOptions['credentials']>;
  }
  return new Member(options).services();
}

/** The generated clients, as etcd3 makes them from rpc.proto; grpc.Client has no types for their methods. */
interface GeneratedClients {
  readonly KV: Pick<Services, 'range' | 'txn' | 'compact'>;
  readonly Lease: Pick<Services, 'leaseGrant' | 'leaseRevoke' | 'leaseKeepAlive'>;
  readonly Watch: Pick<Services, 'watch'>;
  readonly Auth: Pick<Services, 'authenticate'>;
}

class Member extends Etcd3 {
  services(): Services {
    const kv = this.#client('KV');
    const lease = this.#client('Lease');
    const watch = this.#client('Watch');
    const auth = this.#client('Auth');
    return {
      range: (...args) => kv.range(...args),
      txn: (...args) => kv.txn(...args),
      compact: (...args) => kv.compact(...args),
      leaseGrant: (...args) => lease.leaseGrant(...args),
      leaseRevoke: (...args) => lease.leaseRevoke(...args),
      leaseKeepAlive: (metadata) => lease.leaseKeepAlive(metadata),
      watch: (...args) => watch.watch(...args),
      authenticate: (...args) => auth.authenticate(...args),
      close: () => this.close(),
    };
  }

  #client<Name extends keyof GeneratedClients>(name: Name): GeneratedClients[Name] {
    // One host a pool (see connectServices); its clients reconnect by themselves and share one connection.
    const host = this.pool['hosts'][0];
    if (host === undefined) throw new Error('etcd3 made no host');
    return host.getServiceClient(name);
  }
}
