// --driver=etcd: fleetd's API served in this process, over the store itself; for when no fleetd can be reached.
// Invariant: the one file of cli/ that knows of the store; the rest speaks HTTP with it as with any fleetd.
import { join } from 'node:path';
import { createApi } from '../src/api/server.ts';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import { RECORD_VERSION } from '../src/registry/codec.ts';
import { keysUnder, type Keys } from '../src/registry/keys.ts';
import { silentLog } from '../src/runtime/log.ts';
import { openEtcdStore } from '../src/store/etcd/open.ts';
import type { Kv } from '../src/store/kv.ts';
import type { Io } from './context.ts';

export interface DriverOptions {
  /** etcd's. */
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** ms for one whole answer; 0: no bound. */
  readonly requestTimeoutMs: number;
  /** A private directory for the socket. */
  readonly dir: string;
}

export interface Driver {
  /** Of an API that only this user reaches. */
  readonly endpoint: string;
  close(): Promise<void>;
}

/** ms for one try where nothing bounds the whole. */
const UNBOUNDED_TRY_MS = 10_000;
/** entries a page of v1, which nobody asks this API for. */
const TOKEN_LIMIT = 100;

/** Opens the store and serves the API over it. CLUSTER_FORMAT_UNKNOWN where another version of fleet writes it. */
export async function openDriver(io: Io, options: DriverOptions): Promise<Driver> {
  const kv = await openStore(io, options);
  try {
    const keys = keysUnder(options.prefix);
    await checkFormat(kv, keys, io.signal);
    const api = await createApi({
      kv,
      keys,
      log: silentLog,
      version: io.version,
      tokenLimit: TOKEN_LIMIT,
      clock: io.clock,
    });
    const path = join(options.dir, 'driver');
    await api.listen({ path, mode: 0o600 });
    const close = async (): Promise<void> => {
      await api.close();
      await kv.close();
    };
    return { endpoint: `unix://${path}`, close };
  } catch (error) {
    await kv.close();
    throw error;
  }
}

async function openStore(io: Io, options: DriverOptions): Promise<Kv> {
  const { endpoints, caFile, certFile, keyFile, requestTimeoutMs } = options;
  // Of the whole answer: one member more than there are is tried.
  const tryMs = requestTimeoutMs / (endpoints.length + 1);
  try {
    return await openEtcdStore({
      endpoints: endpoints.map((endpoint) => endpoint.trim()),
      caFile,
      certFile,
      keyFile,
      requestTimeoutMs: requestTimeoutMs === 0 ? UNBOUNDED_TRY_MS : tryMs,
      clock: io.clock,
      random: io.random,
    });
  } catch (error) {
    if (!isFleetError(error, 'CONFIG_INVALID')) throw error;
    throw new FleetError('USAGE', error.message, {
      cause: error,
      hint: 'With --driver=etcd, --endpoint is http://HOST:PORT of etcd; look at --ca-file, --cert-file and --key-file too.',
    });
  }
}

/** A store that no fleetd has used yet has no format; the first that joins writes it. */
async function checkFormat(kv: Kv, keys: Keys, signal: AbortSignal): Promise<void> {
  const get = { kind: 'get', key: keys.format } as const;
  const { gets } = await kv.txn({ compares: [], then: [get], else: [] }, signal);
  const format = JSON.stringify({ v: RECORD_VERSION });
  const stands = gets[0]?.value ?? format;
  if (stands !== format)
    throw new FleetError('CLUSTER_FORMAT_UNKNOWN', `the store has the format '${stands}'`, {
      hint: `This fleetctl reads '${format}': use the version that the machines run.`,
    });
}
