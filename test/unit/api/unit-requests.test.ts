// Requests for several units in one: each as if it had come alone, and a client that sends them so by itself.
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetClient } from '../../../src/api/client.ts';
import type { V2UnitAnswer } from '../../../src/api/types.ts';
import {
  BODY_MAX_BYTES,
  REQUESTS_WAITING_MAX,
  UNIT_REQUESTS_MAX,
} from '../../../src/model/limits.ts';
import { ApiFixture, forever, type Reply } from '../../support/api.ts';
import { LossyKv } from '../../support/lossy-kv.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const TEXT = '[Service]\nExecStart=/bin/true\n';
const PATH = '/fleet/v2/units';

let fixture: ApiFixture;
const closing: (() => void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  await fixture.stop();
});

const post = (requests: unknown, headers = {}): Promise<Reply> =>
  fixture.call('POST', PATH, { requests }, headers);

function clientOf(endpoint = `unix://${fixture.path}`): FleetClient {
  const client = new FleetClient({ endpoints: [endpoint], requestTimeoutMs: 10_000 });
  closing.push(() => client.close());
  return client;
}

async function requestsTo(route: string): Promise<number> {
  const { text } = await fixture.get('/metrics');
  const counts = text.split('\n').filter((line) => line.includes(`"${route}"`));
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('POST /fleet/v2/units', () => {
  it('answers each with its own status, and refuses what is wrong alone', async () => {
    fixture = await new ApiFixture().start();
    await fixture.call('PUT', `${PATH}/old.service`, { text: TEXT });
    const { status, json } = await post([
      { name: 'a.service', text: TEXT, desiredState: 'launched' },
      { name: 'old.service', desiredState: 'loaded' },
      { name: 'old.service', text: TEXT, ifHash: '' },
      { name: 'none.service', destroy: true },
      { name: 'old.service', destroy: true, text: TEXT },
      { name: 'a b', text: TEXT },
      { name: 'c.service', text: 'ExecStart' },
      { name: 'd.service' },
      'e.service',
    ]);
    expect(status).toBe(200);
    const told = json.answers.map((one: V2UnitAnswer) => [
      one.status,
      one.error?.status,
      one.unit?.name,
    ]);
    expect(told).toEqual([
      [201, undefined, 'a.service'],
      [200, undefined, 'old.service'],
      [409, 'UNIT_CONFLICT', undefined],
      [404, 'UNIT_NOT_FOUND', undefined],
      [400, 'REQUEST_INVALID', undefined],
      [400, 'UNIT_NAME_INVALID', undefined],
      [400, 'UNIT_FILE_INVALID', undefined],
      [400, 'REQUEST_INVALID', undefined],
      [400, 'REQUEST_INVALID', undefined],
    ]);
    const alone = await fixture.call('PUT', `${PATH}/a.service`, { text: TEXT });
    expect(json.answers[0].unit).toEqual({ ...alone.json, revision: expect.any(String) });
    const wrong = await fixture.call('PUT', `${PATH}/c.service`, { text: 'ExecStart' });
    expect(json.answers[6].error).toEqual(wrong.json.error);
    const gone = await post([{ name: 'a.service', destroy: true }]);
    expect(gone.json.answers).toEqual([{ status: 204 }]);
    expect((await fixture.get(`${PATH}/a.service`)).status).toBe(404);
  });

  it.for([
    ['no list', { requests: 'a.service' }, 400],
    ['too many', { requests: Array.from({ length: UNIT_REQUESTS_MAX + 1 }, () => ({})) }, 400],
    ['no object', [], 400],
    ['too long a body', { requests: [{ name: 'x'.repeat(BODY_MAX_BYTES) }] }, 413],
  ] as const)('refuses %s as a whole', async ([, body, status]) => {
    fixture = await new ApiFixture().start();
    expect((await fixture.call('POST', PATH, body)).status).toBe(status);
  });

  it('counts what became of each', async () => {
    fixture = await new ApiFixture().start();
    await post([
      { name: 'a.service', text: TEXT },
      { name: 'b.service', text: TEXT },
      { name: 'none.service', destroy: true },
    ]);
    const { text } = await fixture.get('/metrics');
    const counts = text.split('\n').filter((line) => line.startsWith('fleet_http_units_total'));
    expect(counts.toSorted()).toEqual([
      'fleet_http_units_total{status="201"} 2',
      'fleet_http_units_total{status="404"} 1',
    ]);
  });

  it('takes JSON only', async () => {
    fixture = await new ApiFixture().start();
    const refused = await post([], { 'content-type': 'text/plain' });
    expect(refused.status).toBe(415);
    expect((await post([])).json).toEqual({ answers: [] });
  });
});

describe('FleetClient', () => {
  it('sends what is asked at the same moment in few requests', async () => {
    fixture = await new ApiFixture().start();
    const client = clientOf();
    const names = Array.from({ length: 3 * UNIT_REQUESTS_MAX }, (_, i) => `u${i}.service`);
    const put = await Promise.all(
      names.map((name) => client.putUnit(name, { text: TEXT }, forever)),
    );
    expect(put.map(({ name }) => name)).toEqual(names);
    expect([await requestsTo(PATH), await requestsTo(`${PATH}/:name`)]).toEqual([3, 0]);
    const ends = await Promise.allSettled([
      client.destroyUnit('u0.service', forever),
      client.destroyUnit('none.service', forever),
      client.putUnit('u1.service', { desiredState: 'loaded' }, forever),
    ]);
    expect(ends.map((end) => end.status === 'fulfilled' || end.reason.code)).toEqual([
      true,
      'UNIT_NOT_FOUND',
      true,
    ]);
  });

  it('sends one alone as itself, and a long one too', async () => {
    fixture = await new ApiFixture().start();
    const client = clientOf();
    await client.putUnit('a.service', { text: TEXT }, forever);
    const long = `${TEXT}# ${'x'.repeat(100_000)}\n`;
    await Promise.all([
      client.putUnit('b.service', { text: long }, forever),
      client.putUnit('c.service', { text: TEXT }, forever),
    ]);
    expect([await requestsTo(PATH), await requestsTo(`${PATH}/:name`)]).toEqual([0, 3]);
  });

  it('goes on one by one with a server that does not know of it', async () => {
    fixture = new ApiFixture();
    const asked: string[] = [];
    const old: Server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const isOld = request.method === 'POST';
      const error = { code: 405, message: 'not allowed', status: 'REQUEST_INVALID' };
      response.statusCode = isOld ? 405 : 204;
      response.end(isOld ? JSON.stringify({ error }) : undefined);
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    closing.push(() => old.close());
    const { port } = old.address() as { port: number };
    const client = clientOf(`http://127.0.0.1:${port}`);
    const destroy = (): Promise<unknown> =>
      Promise.all(['a', 'b'].map((name) => client.destroyUnit(`${name}.service`, forever)));
    await destroy();
    await destroy();
    expect(asked.filter((line) => line.startsWith('POST'))).toHaveLength(1);
    expect(asked).toHaveLength(5);
  });

  it('tries those again that were refused because the server has too much to do', async () => {
    let isSlow = true;
    const released = Promise.withResolvers<void>();
    const kv = new LossyKv(new MemoryStore({ clock: systemClock }), () => 'done');
    const range = kv.range.bind(kv);
    kv.range = async (...asked) => {
      if (isSlow) await released.promise;
      return range(...asked);
    };
    fixture = await new ApiFixture(kv).start();
    const listings = Array.from({ length: 1_000 }, () => fixture.get(PATH));
    const client = clientOf();
    const names = Array.from({ length: 3 * UNIT_REQUESTS_MAX }, (_, i) => `u${i}.service`);
    const put = names.map((name) => client.putUnit(name, { text: TEXT }, forever));
    const gauge = async (): Promise<number> => {
      const { text } = await fixture.get('/metrics');
      return Number(/^fleet_http_requests_waiting (\d+)$/m.exec(text)?.[1]);
    };
    while ((await gauge()) < REQUESTS_WAITING_MAX) await systemClock.sleep(10, forever);
    isSlow = false;
    released.resolve();
    expect((await Promise.all(put)).map(({ name }) => name)).toEqual(names);
    await Promise.all(listings);
  });
});
