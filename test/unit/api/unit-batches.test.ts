// What a client makes of servers that hang, refuse, or are none: requests for several units have the ends that each would have had alone.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetClient } from '../../../src/api/client.ts';
import { UNIT_REQUESTS_MAX } from '../../../src/model/limits.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { forever } from '../../support/api.ts';

const TEXT = '[Service]\nExecStart=/bin/true\n';
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

/** A client of a server that does so. */
async function clientOf(handle: RequestListener, requestTimeoutMs = 5_000): Promise<FleetClient> {
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = new FleetClient({ endpoints: [`http://127.0.0.1:${port}`], requestTimeoutMs });
  closing.push(() => {
    client.close();
    server.closeAllConnections();
    server.close();
  });
  return client;
}

const pause = (ms: number): Promise<void> => systemClock.sleep(ms, forever);
const refusal = (status: string): object => ({ code: 503, message: 'much to do', status });
const nameOf = (i: number): string => `u${i}.service`;

describe('UnitBatches', () => {
  it('holds none up for longer than its own time, where the server hangs', async () => {
    const client = await clientOf(() => undefined, 1_500);
    const began = systemClock.now();
    const ends: Promise<number>[] = [];
    for (const i of [1, 2, 3]) {
      const put = client.putUnit(nameOf(i), { text: TEXT }, forever);
      ends.push(put.then(() => NaN).catch(() => systemClock.now() - began));
      await pause(20); // as after its file was read
    }
    expect(Math.max(...(await Promise.all(ends)))).toBeLessThan(2_500); // 3,040 with a wait for those before it
  });

  it('lets one go whose caller has had enough', async () => {
    const client = await clientOf(() => undefined);
    const stop = new AbortController();
    for (const i of [1, 2]) {
      client.putUnit(nameOf(i), { text: TEXT }, stop.signal).catch(() => undefined);
      await pause(20);
    }
    const mine = new AbortController();
    const third = client.putUnit(nameOf(3), { text: TEXT }, mine.signal);
    mine.abort(new Error('enough'));
    await expect(third).rejects.toThrow('enough');
    stop.abort(new Error('over'));
  });

  it('asks a busy server again after a while, for each alone', async () => {
    const alone: number[] = [];
    let refusedAtMs = 0;
    const client = await clientOf((request, response) => {
      if (request.method === 'PUT') {
        alone.push(systemClock.now() - refusedAtMs);
        response.end('{}');
        return;
      }
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const { requests } = JSON.parse(body) as { requests: readonly unknown[] };
        refusedAtMs = systemClock.now();
        const answers = requests.map(() => ({ status: 503, error: refusal('API_BUSY') }));
        response.end(JSON.stringify({ answers }));
      });
    });
    const all = Array.from({ length: 20 }, (_, i) =>
      client.putUnit(nameOf(i), { text: TEXT }, forever),
    );
    await Promise.all(all);
    expect(alone).toHaveLength(20);
    expect(Math.min(...alone)).toBeGreaterThan(900);
  });

  it.for([
    ['{}'],
    ['{"answers":[]}'],
    ['{"answers":[{"status":500,"error":null},{"status":500,"error":null}]}'],
    ['[]'],
  ])('tells of %s as of what is no fleet', async ([text]) => {
    const client = await clientOf((_request, response) => response.end(text));
    const both = [1, 2].map((i) => client.destroyUnit(nameOf(i), forever));
    const ends = await Promise.allSettled(both);
    expect(ends).toMatchObject([1, 2].map(() => ({ reason: { code: 'API_UNREACHABLE' } })));
  });

  it('asks an old server for no more at once than before', async () => {
    let [now, most, posts] = [0, 0, 0];
    const client = await clientOf((request, response) => {
      if (request.method === 'POST') {
        posts += 1;
        response.statusCode = 405;
        response.end(JSON.stringify({ error: refusal('REQUEST_INVALID') }));
        return;
      }
      now += 1;
      most = Math.max(most, now);
      setTimeout(() => {
        now -= 1;
        response.end('{}');
      }, 20);
    });
    const all = Array.from({ length: 2 * UNIT_REQUESTS_MAX }, (_, i) =>
      client.putUnit(nameOf(i), { text: TEXT }, forever),
    );
    await Promise.all(all);
    expect([posts, most]).toEqual([2, 32]);
  });
});
