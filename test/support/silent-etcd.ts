// A gRPC server that speaks as much of etcd as a watch needs, and can fall silent on it while its connection lives:
// etcd has been seen to do that, and no signal or proxy makes it.
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { Etcd3 } from 'etcd3';

export interface SilentEtcd {
  readonly endpoint: string;
  /** Streams of watches that were opened so far. */
  readonly streams: number;
  /** Requests for progress that came so far. */
  readonly asked: number;
  /** No watch of this key is answered. */
  ignoredKey: string | undefined;
  /** The revision that the answers on watches name: below 10, the member lags. */
  watchRevision: string;
  /** Whether requests for progress are answered; true at first. */
  answersProgress: boolean;
  /** Whether reads are answered; true at first. */
  answersReads: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}

interface WatchRequest {
  readonly create_request?: { readonly key: Buffer; readonly watch_id: string };
  readonly progress_request?: object;
}

interface WatchCall {
  on(event: 'data', heard: (request: WatchRequest) => void): void;
  on(event: 'error' | 'end', ended: () => void): void;
  write(answer: object): void;
  end(): void;
}

/** Starts it on a free loopback port, at revision 10. */
export async function startSilentEtcd(): Promise<SilentEtcd> {
  const server = new Server();
  const storeHeader = { cluster_id: '1', member_id: '1', revision: '10', raft_term: '2' };
  const state = {
    streams: 0,
    asked: 0,
    ignoredKey: undefined,
    watchRevision: '10',
    answersProgress: true,
    answersReads: true,
  };
  server.addService(definitionOf('KV'), {
    range: (_call: unknown, answered: (error: object | null, answer?: object) => void) => {
      if (state.answersReads)
        answered(null, { header: storeHeader, kvs: [], more: false, count: '0' });
      else answered({ code: 14, details: 'etcdserver: request timed out' });
    },
  });
  server.addService(definitionOf('Watch'), {
    watch: (call: WatchCall) => {
      const header = { ...storeHeader, revision: state.watchRevision };
      state.streams += 1;
      call.on('error', () => undefined);
      call.on('end', () => call.end());
      call.on('data', ({ create_request, progress_request }) => {
        if (create_request !== undefined && create_request.key.toString() !== state.ignoredKey)
          call.write({ header, watch_id: create_request.watch_id, created: true });
        if (progress_request === undefined) return;
        state.asked += 1;
        if (state.answersProgress) call.write({ header, watch_id: '-1' });
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return Object.assign(state, {
    endpoint: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  });
}

/** etcd's service as etcd3 has read it from rpc.proto. */
function definitionOf(name: 'KV' | 'Watch'): ServiceDefinition {
  class Definitions extends Etcd3 {
    definition(): ServiceDefinition {
      const client = this.pool['hosts'][0]!.getServiceClient(name);
      return (client.constructor as unknown as { service: ServiceDefinition }).service;
    }
  }
  const definitions = new Definitions({ hosts: '127.0.0.1:1' });
  const definition = definitions.definition();
  definitions.close();
  return definition;
}
