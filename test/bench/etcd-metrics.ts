// What etcd itself counts: requests by kind and its CPU time (etcd.io, docs: metrics).

/** Counters since etcd began. */
export interface EtcdCounters {
  /** By method: calls of those that answer once, messages received of streams (`Watch`, `LeaseKeepAlive`). */
  readonly requests: Readonly<Record<string, number>>;
  readonly cpuSeconds: number;
  readonly residentMB: number;
}

/** Reads them; `endpoint` as `http://HOST:PORT`. */
export async function readEtcd(endpoint: string): Promise<EtcdCounters> {
  const text = await (await fetch(`${endpoint}/metrics`)).text();
  const requests: Record<string, number> = {};
  for (const [, name, labels = '', value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
    const method = /grpc_method="(\w+)"/.exec(labels)?.[1];
    if (method === undefined) continue;
    const isUnary = labels.includes('grpc_type="unary"');
    const counts =
      name === 'grpc_server_started_total'
        ? isUnary
        : name === 'grpc_server_msg_received_total' && !isUnary;
    if (counts) requests[method] = (requests[method] ?? 0) + Number(value);
  }
  const single = (name: string): number =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return {
    requests,
    cpuSeconds: single('process_cpu_seconds_total'),
    residentMB: single('process_resident_memory_bytes') / 1e6,
  };
}

/** Requests a second by kind between two readings, those that there were. */
export function ratesBetween(
  before: EtcdCounters,
  after: EtcdCounters,
  seconds: number,
): Readonly<Record<string, number>> {
  const rates = Object.entries(after.requests).map(
    ([method, count]) => [method, (count - (before.requests[method] ?? 0)) / seconds] as const,
  );
  return Object.fromEntries(rates.filter(([, rate]) => rate > 0));
}
