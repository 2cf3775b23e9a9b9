import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { FleetError } from '../../../src/model/errors.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { ApiFixture } from '../../support/api.ts';
import { LossyKv } from '../../support/lossy-kv.ts';

let fixture: ApiFixture;
afterEach(() => fixture.stop());

class AwayKv extends LossyKv {
  override range(): Promise<never> {
    return Promise.reject(new FleetError('STORE_UNAVAILABLE', 'no member answers'));
  }
}

describe('createApi', () => {
  it.for([
    'GET /fleet/v1/units',
    'GET /fleet/v1/machines',
    'GET /fleet/v2/units',
    'PUT /fleet/v1/units/a.service',
    'GET /fleet/v2/events',
  ])('answers %s with 503 where no store is in reach', async (line) => {
    const inner = new MemoryStore({ clock: systemClock });
    fixture = await new ApiFixture(new AwayKv(inner, () => 'refused')).start();
    const [method = '', path = ''] = line.split(' ');
    const body =
      method === 'PUT' ? { options: [{ section: 'A', name: 'B', value: 'C' }] } : undefined;
    const { status, json, headers } = await fixture.call(method, path, body);
    expect([status, json.error.message, headers['retry-after']]).toEqual([
      503,
      expect.stringContaining('fleet server unable to communicate with etcd'),
      '1',
    ]);
  });

  it('answers every request with 503 and the reason while fleetd says that it cannot serve', async () => {
    let reason: string | undefined = 'another machine has this machine-id';
    fixture = await new ApiFixture().start({ availability: () => reason });
    const { status, json } = await fixture.get('/fleet/v1/machines');
    expect([status, json.error.message]).toEqual([
      503,
      expect.stringContaining(
        'fleet server unable to communicate with etcd: another machine has this machine-id',
      ),
    ]);
    reason = undefined;
    expect((await fixture.get('/fleet/v1/machines')).status).toBe(200);
  });

  it('answers a fault of ours with 500, tells nothing of it, and logs it', async () => {
    const inner = new MemoryStore({ clock: systemClock });
    class BrokenKv extends LossyKv {
      override range(): Promise<never> {
        return Promise.reject(new TypeError('secret'));
      }
    }
    fixture = await new ApiFixture(new BrokenKv(inner, () => 'done')).start();
    const { status, text } = await fixture.get('/fleet/v2/units');
    expect([status, text]).toEqual([500, expect.not.stringContaining('secret')]);
    expect(fixture.logged.map(({ message }) => message)).toEqual(['request failed by a fault']);
  });

  it('carries out and answers what is under way while it closes', async () => {
    const entered = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    class SlowKv extends LossyKv {
      override async range(...args: Parameters<LossyKv['range']>): ReturnType<LossyKv['range']> {
        entered.resolve();
        await released.promise;
        args[2].throwIfAborted();
        return super.range(...args);
      }
    }
    const inner = new MemoryStore({ clock: systemClock });
    fixture = await new ApiFixture(new SlowKv(inner, () => 'done')).start();
    const answer = fixture.get('/fleet/v2/units');
    await entered.promise;
    const closed = fixture.api.close();
    released.resolve();
    expect((await answer).status).toBe(200);
    await closed;
  });

  it('listens on a socket that owner and group may open, and on TCP beside it', async () => {
    fixture = await new ApiFixture().start();
    expect(statSync(fixture.path).mode & 0o777).toBe(0o660);
    const { port } = await fixture.api.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`http://127.0.0.1:${port}/fleet/v2/version`);
    expect(await answer.json()).toEqual({ version: '2.0.0' });
    const other = `${fixture.path}2`;
    await fixture.api.listen({ path: other, mode: 0o600 });
    expect(statSync(other).mode & 0o777).toBe(0o600);
    await fixture.api.close();
    expect([existsSync(fixture.path), existsSync(other)]).toEqual([false, false]);
  });

  it('takes the place of a socket that nobody serves, and refuses one that is served and what is no socket', async () => {
    fixture = await new ApiFixture().start();
    await expect(fixture.api.listen({ path: fixture.path })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('another process does'),
    });
    const file = `${fixture.path}.file`;
    writeFileSync(file, '');
    await expect(fixture.api.listen({ path: file })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('not a socket'),
    });
    const stale = `${fixture.path}.stale`;
    await leaveSocket(stale);
    expect(existsSync(stale)).toBe(true);
    await fixture.api.listen({ path: stale });
    expect(await fetchStatus(stale)).toContain('200 OK');
  });

  it.for([
    ['nonsense\r\n\r\n', '400 Bad Request'],
    [
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
    ],
  ] as const)('answers what is no proper HTTP in JSON too', async ([sent, status]) => {
    fixture = await new ApiFixture().start();
    const text = await rawExchange(fixture.path, sent);
    expect(text).toContain(status);
    expect(text).toContain('Content-Type: application/json');
    expect(text).toContain('"error"');
  });
});

/** A socket file whose process is gone. */
async function leaveSocket(path: string): Promise<void> {
  const { spawnSync } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
}

function fetchStatus(path: string): Promise<string> {
  return rawExchange(
    path,
    'GET /fleet/v2/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  );
}

function rawExchange(path: string, sent: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path, () => socket.write(sent));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => (text += chunk));
    socket.once('close', () => resolve(text));
    socket.once('error', reject);
  });
}
