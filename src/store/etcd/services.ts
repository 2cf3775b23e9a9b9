// What we use of etcd3: the gRPC client classes that it makes from etcd's .proto files. Connections, retries, timeouts and streams are ours.
// Invariant: nothing here waits, retries or resumes: etcd3's own policies never run.
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  Channel,
  credentials,
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type ClientDuplexStream,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
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
  type ILeaseTimeToLiveRequest,
  type ILeaseTimeToLiveResponse,
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
  leaseTimeToLive: UnaryMethod<ILeaseTimeToLiveRequest, ILeaseTimeToLiveResponse>;
  authenticate: UnaryMethod<IAuthenticateRequest, IAuthenticateResponse>;
  watch(metadata: Metadata, options: CallOptions): WatchStream;
  leaseKeepAlive(metadata: Metadata): KeepAliveStream;
  close(): void;
}

/** TLS files of a connection, as they were read. */
export interface TlsFiles {
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
  // A store's connection is its own, and ends with it.
  'grpc.use_local_subchannel_pool': 1,
  // The environment's proxy is for the web, not for the store.
  'grpc.enable_http_proxy': 0,
};

/** Where a member is, without brackets around an IPv6 address. */
export interface Address {
  readonly host: string;
  readonly port: string;
}

/** Makes the clients of one member; connects at the first call. Throws when the TLS files do not belong together. */
export function connectServices({ host, port }: Address, tls: TlsFiles | undefined): Services {
  const target = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  const transport = tls === undefined ? plain() : secured(host, tls);
  // One for all clients: they share one connection.
  const channel = new Channel(target, transport.credentials, transport.options);
  const connect = (name: ServiceName): unknown =>
    new (clientClass(name))(target, transport.credentials, { channelOverride: channel });
  // grpc.Client has no types for the methods that grpc-js makes from rpc.proto.
  const kv = connect('KV') as Pick<Services, 'range' | 'txn' | 'compact'>;
  const lease = connect('Lease') as Pick<
    Services,
    'leaseGrant' | 'leaseRevoke' | 'leaseTimeToLive' | 'leaseKeepAlive'
  >;
  const watch = connect('Watch') as Pick<Services, 'watch'>;
  const auth = connect('Auth') as Pick<Services, 'authenticate'>;
  return {
    range: (...args) => kv.range(...args),
    txn: (...args) => kv.txn(...args),
    compact: (...args) => kv.compact(...args),
    leaseGrant: (...args) => lease.leaseGrant(...args),
    leaseRevoke: (...args) => lease.leaseRevoke(...args),
    leaseTimeToLive: (...args) => lease.leaseTimeToLive(...args),
    leaseKeepAlive: (metadata) => lease.leaseKeepAlive(metadata),
    watch: (...args) => watch.watch(...args),
    authenticate: (...args) => auth.authenticate(...args),
    close: () => channel.close(),
  };
}

interface Transport {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

function plain(): Transport {
  return { credentials: credentials.createInsecure(), options: channelOptions };
}

function secured(host: string, { ca, cert, key }: TlsFiles): Transport {
  const files = [ca ?? null, key ?? null, cert ?? null] as const;
  if (isIP(host) === 0) {
    return { credentials: credentials.createSsl(...files), options: channelOptions };
  }
  // grpc-js 1.14 gives the host to TLS as its server name, which must not be an address (RFC 6066) and is refused by Node 26:
  // a name that nobody has goes there instead, and the certificate is still checked against the address.
  return {
    credentials: credentials.createSsl(...files, {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    options: { ...channelOptions, 'grpc.ssl_target_name_override': 'etcd.invalid' },
  };
}

type ServiceName = 'KV' | 'Lease' | 'Watch' | 'Auth';
type ClientClass = new (
  target: string,
  creds: ChannelCredentials,
  options: Readonly<{ channelOverride: Channel }>,
) => unknown;

const classes = new Map<ServiceName, ClientClass>();

/** The class that etcd3 has made from rpc.proto; the client that leads to it is never connected. */
function clientClass(name: ServiceName): ClientClass {
  const known = classes.get(name);
  if (known !== undefined) return known;
  const definitions = new Definitions({ hosts: '127.0.0.1:1' });
  try {
    const made = definitions.classOf(name);
    classes.set(name, made);
    return made;
  } finally {
    definitions.close();
  }
}

class Definitions extends Etcd3 {
  classOf(name: ServiceName): ClientClass {
    const host = this.pool['hosts'][0];
    if (host === undefined) throw new Error('etcd3 made no host');
    return host.getServiceClient(name).constructor as ClientClass;
  }
}
