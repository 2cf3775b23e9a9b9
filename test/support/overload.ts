// More requests at once than an API can take: what becomes of each, and what of it is in the store.
import { Agent, request } from 'node:http';
import { FleetClient } from '../../src/api/client.ts';
import { decode } from '../../src/registry/codec.ts';
import { forever, type ApiFixture } from './api.ts';

export interface Outcome {
  readonly name: string;
  readonly status: number;
  readonly retryAfter: string | undefined;
}

const textOf = (name: string): string => `[Service]\nExecStart=/bin/echo ${name}\n`;

/** Has so many clients put so many units each, all at once; ends when all are there, and throws where one is refused for good. */
export async function clientsAtOnce(
  fixture: ApiFixture,
  clients: number,
  units: number,
): Promise<void> {
  const client = async (id: number): Promise<void> => {
    const own = new FleetClient({
      endpoints: [`unix://${fixture.path}`],
      requestTimeoutMs: 30_000,
    });
    const names = Array.from({ length: units }, (_, i) => `c${id}-${i}.service`);
    try {
      await Promise.all(names.map((name) => own.putUnit(name, { text: textOf(name) }, forever)));
    } finally {
      own.close();
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
}

/** Puts so many units over more connections than there may be, and tries none again. */
export async function burst(fixture: ApiFixture, count: number): Promise<readonly Outcome[]> {
  const { port } = await fixture.api.listen({ host: '127.0.0.1', port: 0 });
  const agent = new Agent({ keepAlive: true, maxSockets: 2_000 });
  const headers = { 'content-type': 'application/json' };
  const put = (name: string): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      const path = `/fleet/v2/units/${name}`;
      const sent = request({ agent, port, method: 'PUT', path, headers }, (response) => {
        const { statusCode: status = 0, headers: got } = response;
        response.resume();
        response.once('end', () => resolve({ name, status, retryAfter: got['retry-after'] }));
      });
      sent.once('error', reject);
      sent.end(JSON.stringify({ text: textOf(name) }));
    });
  try {
    return await Promise.all(Array.from({ length: count }, (_, i) => put(`burst-${i}.service`)));
  } finally {
    agent.destroy();
  }
}

/** The units whose records are in the store; one without its file is told apart. */
export async function storedUnits({ kv, keys }: ApiFixture): Promise<ReadonlySet<string>> {
  const found = await kv.range(keys.files, { keysOnly: true }, forever);
  const files = new Set(found.kvs.map(({ key }) => key));
  const { kvs } = await kv.range(keys.units, {}, forever);
  return new Set(
    kvs.map(({ key, value }) => {
      const { name, sha256 } = decode('unit', key, value);
      return files.has(keys.file(sha256)) ? name : `${name} without its file`;
    }),
  );
}
