import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture, machineId } from '../../support/api.ts';

const OPTIONS = [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }];
const OTHER = [{ section: 'Service', name: 'ExecStart', value: '/bin/false' }];
const fleet = (name: string, value: string) => ({ section: 'X-Fleet', name, value });

describe('v1 of the API', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await new ApiFixture().start({ tokenLimit: 2 });
  });
  afterAll(() => fixture.stop());

  it.for([
    ['creates a unit from options', 'a.service', { options: OPTIONS }, 201],
    ['refuses the same options without a desired state', 'a.service', { options: OPTIONS }, 409],
    ['refuses neither options nor a desired state', 'a.service', {}, 409],
    ['changes the desired state', 'a.service', { desiredState: 'launched' }, 204],
    ['takes the desired state that it has', 'a.service', { desiredState: 'launched' }, 204],
    [
      'takes the same options with a state',
      'a.service',
      { options: OPTIONS, desiredState: 'loaded' },
      204,
    ],
    ['replaces by other options', 'a.service', { options: OTHER }, 201],
    [
      'takes an empty desired state for none',
      'a.service',
      { options: OPTIONS, desiredState: '' },
      201,
    ],
    [
      'refuses a state of a unit that does not exist',
      'b.service',
      { desiredState: 'launched' },
      409,
    ],
    ['refuses empty options for a unit that does not exist', 'b.service', { options: [] }, 409],
    ['refuses a name that systemd refuses', 'b.nonsense', { options: OPTIONS }, 400],
    [
      'refuses a name longer than 255 bytes',
      `${'b'.repeat(250)}.service`,
      { options: OPTIONS },
      400,
    ],
    ['refuses another name in the body', 'b.service', { name: 'c.service', options: OPTIONS }, 400],
    [
      'refuses an unknown desired state',
      'b.service',
      { options: OPTIONS, desiredState: 'up' },
      400,
    ],
    ['refuses options of another shape', 'b.service', { options: [{ nome: 'x' }] }, 400],
    ['takes a template', 't@.service', { options: OPTIONS }, 201],
    ['refuses to load a template', 't@.service', { desiredState: 'loaded' }, 400],
    [
      'refuses to create a launched template',
      'u@.service',
      { options: OPTIONS, desiredState: 'launched' },
      400,
    ],
    [
      'takes what Go clients send',
      'g.service',
      {
        name: 'g.service',
        currentState: 'x',
        options: [...OPTIONS, { section: 'Service', name: 'Environment' }],
      },
      201,
    ],
    [
      'refuses Global with MachineID',
      'x.service',
      { options: [fleet('Global', 'true'), fleet('MachineID', machineId(1))] },
      400,
    ],
    [
      'refuses Global with MachineOf',
      'x.service',
      { options: [fleet('Global', 'true'), fleet('MachineOf', 'a.service')] },
      400,
    ],
    [
      'refuses Global with Replaces',
      'x.service',
      { options: [fleet('Global', 'true'), fleet('Replaces', 'a.service')] },
      400,
    ],
    [
      'refuses Replaces with Conflicts',
      'x.service',
      { options: [fleet('Replaces', 'a.service'), fleet('Conflicts', 'b.service')] },
      400,
    ],
    [
      'refuses Replaces with MachineID',
      'x.service',
      { options: [fleet('Replaces', 'a.service'), fleet('MachineID', machineId(1))] },
      400,
    ],
    [
      'refuses a MachineOf that Conflicts match',
      'x.service',
      { options: [fleet('MachineOf', 'a.service'), fleet('Conflicts', 'a*')] },
      400,
    ],
    ['refuses an unknown key of X-Fleet', 'x.service', { options: [fleet('Conflict', 'a*')] }, 400],
  ] as const)('PUT %s', async ([, name, body, status]) => {
    const reply = await fixture.call('PUT', `/fleet/v1/units/${name}`, body);
    expect([reply.status, reply.text]).toEqual([
      status,
      status < 300 ? '' : expect.stringContaining(''),
    ]);
    expect(reply.headers['content-type']).toBe('application/json');
    if (status >= 400)
      expect(reply.json.error).toEqual({ code: status, message: expect.any(String) });
  });

  it('PUT names the unknown key of X-Fleet and the nearest known one', async () => {
    const { json } = await fixture.call('PUT', '/fleet/v1/units/x.service', {
      options: [fleet('Conflict', 'a')],
    });
    expect(json.error.message).toContain("'Conflict'");
    expect(json.error.message).toContain('Conflicts');
  });

  it.for([
    ['a body that is not JSON', 'PUT', '/fleet/v1/units/a.service', 'nonsense', {}, 400],
    ['no content type', 'PUT', '/fleet/v1/units/a.service', '{}', { 'content-type': '' }, 415],
    [
      'another content type',
      'PUT',
      '/fleet/v1/units/a.service',
      '{}',
      { 'content-type': 'text/plain' },
      415,
    ],
    [
      'a body that is not UTF-8',
      'PUT',
      '/fleet/v1/units/a.service',
      Buffer.from([0x22, 0xff, 0x22]),
      {},
      400,
    ],
    [
      'a body over 1 MiB',
      'PUT',
      '/fleet/v1/units/a.service',
      `"${'x'.repeat(1024 * 1024)}"`,
      {},
      413,
    ],
    ['a unit that does not exist', 'GET', '/fleet/v1/units/none.service', undefined, {}, 404],
    ['a unit that cannot exist', 'GET', '/fleet/v1/units/no%2Fne', undefined, {}, 404],
    [
      'destroying what does not exist',
      'DELETE',
      '/fleet/v1/units/none.service',
      undefined,
      {},
      404,
    ],
    ['a state that nobody reports', 'GET', '/fleet/v1/state/none.service', undefined, {}, 404],
    ['an unknown path', 'GET', '/fleet/v1/nothing', undefined, {}, 404],
    ['an unknown root', 'GET', '/', undefined, {}, 404],
    ['a path that does not decode', 'GET', '/fleet/v1/units/%zz', undefined, {}, 400],
    ['another method', 'POST', '/fleet/v1/units', {}, {}, 405],
    ['HEAD', 'HEAD', '/fleet/v1/units', undefined, {}, 405],
    ['PUT of the machines', 'PUT', '/fleet/v1/machines', {}, {}, 405],
    ['DELETE of a state', 'DELETE', '/fleet/v1/state/a.service', undefined, {}, 405],
    [
      'a wrong page token of units',
      'GET',
      '/fleet/v1/units?nextPageToken=EwBMLg==',
      undefined,
      {},
      400,
    ],
    [
      'a wrong page token of states',
      'GET',
      '/fleet/v1/state?nextPageToken=EwBMLg==',
      undefined,
      {},
      400,
    ],
    [
      'a wrong page token of machines',
      'GET',
      '/fleet/v1/machines?nextPageToken=EwBMLg==',
      undefined,
      {},
      400,
    ],
  ] as const)('%s is refused as documented', async ([, method, path, body, headers, status]) => {
    const reply = await fixture.call(method, path, body, headers);
    expect(reply.status).toBe(status);
    expect(reply.headers['content-type']).toBe('application/json');
    expect(reply.headers['server']).toBe('fleetd/2.0.0');
    if (method !== 'HEAD') expect(reply.json.error.code).toBe(status);
  });

  it.for([
    ['/fleet/v1/units', 'GET'],
    ['/fleet/v1/units/a.service', 'GET, PUT, DELETE'],
    ['/v1-alpha/machines', 'GET, PATCH'],
    ['/fleet/v1/state', 'GET'],
  ] as const)('405 at %s allows %s', async ([path, allow]) => {
    expect((await fixture.call('POST', path, {})).headers.allow).toBe(allow);
  });

  it('GET discovery answers a REST description', async () => {
    const { status, json } = await fixture.get('/v1-alpha/discovery');
    expect(status).toBe(200);
    expect(json).toMatchObject({
      kind: 'discovery#restDescription',
      version: 'v1',
      basePath: '/fleet/v1/',
    });
    expect(Object.keys(json.resources)).toEqual(['Machines', 'Units', 'UnitState']);
  });
});

describe('PATCH /machines', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await new ApiFixture().start();
    await fixture.machine(machineId(1), { metadata: { hostname: 'one' } });
  });
  afterAll(() => fixture.stop());
  const metadata = async () => (await fixture.get('/fleet/v1/machines')).json.machines[0].metadata;

  it('adds, replaces and removes, in the spellings of old clients and new', async () => {
    const at = (key: string) => `/${machineId(1)}/metadata/${key}`;
    const patch = async (body: unknown) => {
      const reply = await fixture.call('PATCH', '/fleet/v1/machines', body);
      expect([reply.status, reply.headers['content-type'], reply.text]).toEqual([
        204,
        'application/json',
        '',
      ]);
    };
    await patch([
      { op: 'add', path: at('foo'), Value: { value: 'bar' } },
      { op: 'replace', path: at('ping'), value: 'splat' },
    ]);
    expect(await metadata()).toEqual({ foo: 'bar', hostname: 'one', ping: 'splat' });
    await patch([
      { op: 'remove', path: at('foo') },
      { op: 'remove', path: at('hostname') },
      { op: 'remove', path: at('none') },
    ]);
    expect(await metadata()).toEqual({ ping: 'splat' });
    await fixture.remove(fixture.keys.machine(machineId(1)));
    await fixture.machine(machineId(1), { metadata: { hostname: 'one' } });
    expect(await metadata()).toEqual({ ping: 'splat' });
  });

  it.for([
    ['another op', [{ op: 'noop', path: `/${machineId(1)}/metadata/foo`, value: 'x' }]],
    ['a bad path', [{ op: 'add', path: `/${machineId(1)}/foo`, value: 'x' }]],
    ['an empty value', [{ op: 'add', path: `/${machineId(1)}/metadata/foo`, value: '' }]],
    ['no value', [{ op: 'add', path: `/${machineId(1)}/metadata/foo` }]],
    ['no list', { op: 'add' }],
    [
      'too many operations',
      Array.from({ length: 101 }, () => ({ op: 'remove', path: `/${machineId(1)}/metadata/foo` })),
    ],
  ] as const)('refuses %s and changes nothing', async ([, body]) => {
    const before = await metadata();
    const reply = await fixture.call('PATCH', '/fleet/v1/machines', body);
    expect([reply.status, reply.headers['content-type']]).toEqual([400, 'application/json']);
    expect(await metadata()).toEqual(before);
  });
});
