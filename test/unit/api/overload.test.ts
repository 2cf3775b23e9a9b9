import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  BODIES_MAX_BYTES,
  BODY_MAX_BYTES,
  BODY_SMALL_BYTES,
  CONNECTION_IDLE_MIN_MS,
  CONNECTIONS_MAX,
  REQUEST_WAIT_MAX_MS,
  REQUESTS_AT_ONCE_MAX,
  REQUESTS_WAITING_MAX,
} from '../../../src/model/limits.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { ApiFixture } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';
import { handClock } from '../../support/hand-clock.ts';
import { LossyKv } from '../../support/lossy-kv.ts';

let fixture: ApiFixture;
let sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await fixture.stop();
});

/** A store whose reads wait until they are released. */
class SlowKv extends LossyKv {
  reads = 0;
  readonly #released = Promise.withResolvers<void>();

  constructor() {
    super(new MemoryStore({ clock: systemClock }), () => 'done');
  }

  release(): void {
    this.#released.resolve();
  }

  override async range(...args: Parameters<LossyKv['range']>): ReturnType<LossyKv['range']> {
    this.reads += 1;
    await this.#released.promise;
    return super.range(...args);
  }
}

/** Opens connections that then say `sent` and nothing more. */
async function idle(count: number, sent = ''): Promise<readonly Socket[]> {
  const opened = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect(fixture.path);
      sockets.push(socket);
      socket.on('error', () => undefined); // some are closed by the other side: that is looked at below
      await once(socket, 'connect');
      if (sent !== '') socket.write(sent);
      return socket;
    }),
  );
  return opened;
}

/** A request that waits in the store; answers its status when that is known. */
function ask(): Promise<number> {
  return fixture.get('/fleet/v2/units').then(({ status }) => status);
}

async function gauge(name: string): Promise<number> {
  const { text } = await fixture.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

const waiting = (): Promise<number> => gauge('fleet_http_requests_waiting');

describe('an API with many clients', () => {
  it.for([
    ['say nothing', ''],
    ['send their headers slowly', 'GET /fleet/v2/version HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    [
      'send their body slowly',
      `PUT /fleet/v2/units/a.service HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${BODY_SMALL_BYTES}\r\n\r\n{`,
    ],
  ] as const)('answers a new one within 100 ms while 1,000 others %s', async ([, sent]) => {
    fixture = await new ApiFixture().start();
    await idle(1000, sent);
    await eventually(async () => (await gauge('fleet_http_connections')) > 1000);
    const times: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const began = performance.now();
      expect((await fixture.get('/fleet/v2/version')).status).toBe(200);
      times.push(performance.now() - began);
    }
    expect(Math.min(...times)).toBeLessThan(100);
    const small = { text: '[Service]\nExecStart=/bin/true\n' };
    expect((await fixture.call('PUT', '/fleet/v2/units/b.service', small)).status).toBe(201);
  });

  it('closes the connection that was idle for longest for a new one, and none that is new', async () => {
    const clock = handClock();
    fixture = await new ApiFixture().start({ clock });
    const [first] = await idle(1);
    await idle(CONNECTIONS_MAX - 1);
    const busy = await fixture.get('/fleet/v2/version');
    expect([busy.status, busy.json.error.status, busy.headers['retry-after']]).toEqual([
      503,
      'API_BUSY',
      '1',
    ]);
    await clock.pass(CONNECTION_IDLE_MIN_MS);
    expect((await fixture.get('/fleet/v2/version')).status).toBe(200);
    await eventually(() => first!.closed || first!.readableEnded || first!.destroyed);
    expect(sockets.filter((socket) => socket.closed).length).toBeLessThan(3);
  });

  it('closes none whose request has come while it was busy with others', async () => {
    const clock = handClock();
    fixture = await new ApiFixture().start({ clock });
    const answer = async (socket: Socket): Promise<string> => {
      socket.write('GET /fleet/v2/version HTTP/1.1\r\nHost: x\r\n\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      return data.toString('latin1').slice(0, 'HTTP/1.1 200'.length);
    };
    const old = await idle(CONNECTIONS_MAX);
    for (const socket of old) await answer(socket);
    await clock.pass(CONNECTION_IDLE_MIN_MS);
    const fresh = connect(fixture.path); // accepted before the requests of the others are read
    sockets.push(fresh);
    const answered = [...old, fresh].map((socket) => answer(socket));
    expect(new Set(await Promise.all(answered))).toEqual(new Set(['HTTP/1.1 200']));
  });

  it('carries out so many requests at once, has others wait, and refuses the rest before anything is done', async () => {
    const kv = new SlowKv();
    fixture = await new ApiFixture(kv).start();
    const [pipelining] = await idle(1);
    const one = 'GET /fleet/v2/units HTTP/1.1\r\nHost: x\r\n\r\n';
    const all = REQUESTS_AT_ONCE_MAX + REQUESTS_WAITING_MAX;
    const answers = Array.from({ length: CONNECTIONS_MAX - 2 }, () => ask());
    await eventually(async () => (await waiting()) === answers.length - REQUESTS_AT_ONCE_MAX);
    pipelining!.write(one.repeat(all - answers.length + 10));
    await eventually(async () => (await waiting()) === REQUESTS_WAITING_MAX);
    expect([await ask(), kv.reads]).toEqual([503, REQUESTS_AT_ONCE_MAX]);
    kv.release();
    expect(new Set(await Promise.all(answers))).toEqual(new Set([200]));
  });

  it('lets no request wait for its turn for too long', async () => {
    const clock = handClock();
    const kv = new SlowKv();
    fixture = await new ApiFixture(kv).start({ clock });
    const running = Array.from({ length: REQUESTS_AT_ONCE_MAX }, () => ask());
    await eventually(() => kv.reads === REQUESTS_AT_ONCE_MAX);
    const late = fixture.get('/fleet/v2/units');
    await eventually(async () => (await waiting()) === 1);
    await clock.pass(REQUEST_WAIT_MAX_MS);
    const { status, json } = await late;
    expect([status, json.error.status]).toEqual([503, 'API_BUSY']);
    kv.release();
    expect(new Set(await Promise.all(running))).toEqual(new Set([200]));
  });

  it('takes no more large bodies at once than it has memory for, and small ones all the same', async () => {
    fixture = await new ApiFixture().start();
    const head = (name: string, length: number): string =>
      `PUT /fleet/v2/units/${name} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n{`;
    const slow = await idle(BODIES_MAX_BYTES / BODY_MAX_BYTES, head('a.service', BODY_MAX_BYTES));
    const text = `[Service]\nExecStart=/bin/true\n${'# x\n'.repeat(20_000)}`;
    const large = await eventually(async () => {
      const answer = await fixture.call('PUT', '/fleet/v2/units/b.service', { text });
      return answer.status === 503 && answer;
    });
    expect([large.json.error.status, large.headers['retry-after']]).toEqual(['API_BUSY', '1']);
    const small = { text: '[Service]\nExecStart=/bin/true\n' };
    expect((await fixture.call('PUT', '/fleet/v2/units/c.service', small)).status).toBe(201);
    for (const socket of slow) socket.destroy();
    await eventually(
      async () => (await fixture.call('PUT', '/fleet/v2/units/b.service', { text })).status === 201,
    );
  });
});
