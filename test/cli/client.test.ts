import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Fleet } from '../support/cli.ts';

const fleet = new Fleet();
const servers: Server[] = [];
afterAll(() => fleet.stop());
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** The endpoint of something that answers so. */
async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const machines = JSON.stringify({
  machines: [{ id: 'a'.repeat(32), status: 'ready' }],
  revision: '1',
});

describe('fleetctl and what answers it', () => {
  it.for([
    { name: 'a page of something else', status: 200, body: '<html>' },
    { name: 'a failing proxy', status: 502, body: '<html>' },
    { name: 'JSON that is no error', status: 404, body: 'null' },
  ])('says that $name is not the API', async ({ status, body }) => {
    const endpoint = await answering((_, response) => response.writeHead(status).end(body));
    expect(await fleet.run('--endpoint', endpoint, 'list-machines')).toEqual({
      status: 1,
      stdout: '',
      stderr: `fleetctl: what answers is not fleet's API (status ${status})\n  Look at --endpoint.\n`,
    });
  });

  it('gives up when nothing is answered', async () => {
    const endpoint = await answering(() => undefined);
    const { status, stderr } = await fleet.run(
      '--endpoint',
      endpoint,
      '--request-timeout=0.1',
      'list-machines',
    );
    expect(status).toBe(1);
    expect(stderr).toContain(`no answer from ${endpoint} within 0.1 s\n`);
  });

  it('takes the first endpoint that can be reached, with its base path', async () => {
    const seen: string[] = [];
    const endpoint = await answering((request, response) => {
      seen.push(request.url ?? '');
      response.end(machines);
    });
    const outcome = await fleet.run(
      '--endpoint',
      `unix:///nowhere/s,${endpoint}/base/`,
      'list-machines',
      '--no-legend',
    );
    expect(outcome).toEqual({ status: 0, stdout: 'aaaaaaaa...\t-\t-\n', stderr: '' });
    expect(seen).toEqual(['/base/fleet/v2/machines']);
  });

  it('prints requests and their times with --debug', async () => {
    const endpoint = await answering((_, response) => response.end(machines));
    const words = ['--debug', '--endpoint', `unix:///nowhere/s,${endpoint}`, 'list-machines'];
    const { status, stderr } = await fleet.run(...words);
    expect(status).toBe(0);
    expect(stderr.replaceAll(/[0-9]+ ms/g, 'N ms')).toBe(
      'debug: GET /fleet/v2/machines of unix:///nowhere/s: connect ENOENT /nowhere/s after N ms\n' +
        `debug: GET /fleet/v2/machines of ${endpoint}: status 200 after N ms\n`,
    );
  });

  it('sends a change that may have arrived to no other endpoint', async () => {
    let puts = 0;
    const unit = { name: 'a.service', desiredState: 'launched', generation: 1, states: [] };
    const cut: RequestListener = (request, response) => {
      if (request.method === 'GET') return response.end(JSON.stringify(unit));
      puts += 1;
      return response.destroy();
    };
    const endpoints = [await answering(cut), await answering(cut)].join(',');
    const { status, stderr } = await fleet.run('--endpoint', endpoints, 'stop', 'a');
    expect({ status, puts }).toEqual({ status: 1, puts: 1 });
    expect(stderr).toContain('no fleet API at ');
  });

  it('sends what only reads again when a kept connection was cut', async () => {
    let calls = 0;
    const endpoint = await answering((request, response) => {
      calls += 1;
      if (calls === 1) request.socket.resetAndDestroy();
      else response.end(machines);
    });
    expect((await fleet.run('--endpoint', endpoint, 'list-machines')).status).toBe(0);
  });

  it('says in the words of scripts that the server has no store', async () => {
    const other = await new Fleet().start({ availability: () => 'another machine has this id' });
    try {
      expect(await other.run('list-machines', '--no-legend')).toEqual({
        status: 1,
        stdout: '',
        stderr:
          'fleetctl: fleet server unable to communicate with etcd: another machine has this id\n  Units that run go on; try again.\n',
      });
    } finally {
      await other.stop();
    }
  });
});

describe('fleetctl and a fleetd that has too much to do', () => {
  const busy = JSON.stringify({ error: { code: 503, message: 'too much', status: 'API_BUSY' } });

  it('asks again when Retry-After says so', async () => {
    let asked = 0;
    const endpoint = await answering((_, response) => {
      asked += 1;
      if (asked === 3) response.end(machines);
      else response.writeHead(503, { 'retry-after': '0' }).end(busy);
    });
    const { status } = await fleet.run('--endpoint', endpoint, 'list-machines');
    expect([status, asked]).toEqual([0, 3]);
  });

  it.for([
    { name: 'says no time', headers: {}, code: 'API_BUSY', asked: 1 },
    { name: 'says so ten times', headers: { 'retry-after': '0' }, code: 'API_BUSY', asked: 10 },
    {
      name: 'may have done something',
      headers: { 'retry-after': '0' },
      code: 'STORE_UNAVAILABLE',
      asked: 1,
    },
  ])('gives up where the server $name', async ({ headers, code, asked }) => {
    let count = 0;
    const endpoint = await answering((_, response) => {
      count += 1;
      response.writeHead(503, headers).end(busy.replace('API_BUSY', code));
    });
    const { status, stderr } = await fleet.run('--endpoint', endpoint, 'list-machines');
    expect([status, stderr, count]).toEqual([1, 'fleetctl: too much\n', asked]);
  });
});
