// From the configuration to a store: endpoints and TLS files are checked here; etcd itself is asked at the first call.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { FleetError } from '../../model/errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Encoding } from './encode.ts';
import { History } from './history.ts';
import { InFlight } from './in-flight.ts';
import { Member } from './member.ts';
import { Members } from './members.ts';
import { connectServices, type Address, type Services, type TlsFiles } from './services.ts';
import { EtcdStore } from './store.ts';

export interface EtcdStoreOptions {
  /** URLs of the members, 'http://HOST:PORT' or 'https://…'; all of one scheme. */
  readonly endpoints: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Bounds one try. A call settles within (members + 1) times this. */
  readonly requestTimeoutMs: number;
  /** Stands before each key in etcd, and is not seen outside. */
  readonly prefix?: string | undefined;
  readonly clock: Clock;
  /** As Math.random. */
  readonly random: () => number;
}

/** Opens the store. Does not wait for etcd: a host starts also without it. Throws CONFIG_INVALID. */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const { clock, random, requestTimeoutMs, username } = options;
  const endpoints = parseEndpoints(options.endpoints);
  const secure = endpoints.some((endpoint) => endpoint.secure);
  const tls = secure ? await readTlsFiles(options) : undefined;
  const login =
    username === undefined ? undefined : { name: username, password: options.password ?? '' };
  const inFlight = new InFlight(clock);
  const all = endpoints.map(({ endpoint, address }) => {
    return new Member({ endpoint, services: connect(address, tls), login, inFlight, clock });
  });
  return new EtcdStore({
    members: new Members({ members: all, inFlight, requestTimeoutMs, clock, random }),
    all,
    inFlight,
    history: new History(),
    encoding: new Encoding(options.prefix ?? ''),
    requestTimeoutMs,
    clock,
    random,
  });
}

interface Endpoint {
  readonly endpoint: string;
  readonly address: Address;
  readonly secure: boolean;
}

function parseEndpoints(texts: readonly string[]): readonly Endpoint[] {
  if (texts.length === 0) throw configError('no etcd endpoint is given');
  const endpoints = texts.map((endpoint): Endpoint => {
    const url = URL.parse(endpoint);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      throw configError(`the etcd endpoint '${endpoint}' is not an http:// or https:// URL`);
    }
    const secure = url.protocol === 'https:';
    const port = url.port === '' ? (secure ? '443' : '80') : url.port;
    return { endpoint, address: { host: url.hostname.replace(/^\[|\]$/g, ''), port }, secure };
  });
  if (new Set(endpoints.map(({ secure }) => secure)).size > 1) {
    throw configError('the etcd endpoints mix http:// and https://');
  }
  return endpoints;
}

function connect(address: Address, tls: TlsFiles | undefined): Services {
  try {
    return connectServices(address, tls);
  } catch (error) {
    throw configError("the files for etcd's TLS do not belong together", error);
  }
}

async function readTlsFiles(options: EtcdStoreOptions): Promise<TlsFiles> {
  const { caFile, certFile, keyFile } = options;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw configError('an etcd client certificate needs both its certificate and its key');
  }
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map(readOptional));
  try {
    // gRPC would take any text, and trust nobody.
    if (ca !== undefined) void new X509Certificate(ca);
  } catch (error) {
    throw configError(`the file '${caFile}' for etcd's TLS is not a certificate`, error);
  }
  return { ca, cert, key };
}

async function readOptional(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined || path === '') return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw configError(`the file '${path}' for etcd's TLS is not readable`, error);
  }
}

function configError(message: string, cause?: unknown): FleetError {
  return new FleetError('CONFIG_INVALID', message, {
    hint: 'Check etcd_servers and the etcd_…file settings in fleet.conf.',
    ...(cause === undefined ? {} : { cause }),
  });
}
