import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture, machineId } from '../../support/api.ts';

const TEXT =
  '# kept to the byte\r\n[Unit]\nDescription=Hällo %n \n[Service]\nExecStart=/bin/sh -c \\\n  "true"\n\n[X-Fleet]\nMachineMetadata=role=web';
const path = (name: string) => `/fleet/v2/units/${name}`;

describe('v2 of the API', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await new ApiFixture().start({
      daemon: { machineID: machineId(1), systemd: 'user' },
    });
    await fixture.machine(machineId(1), { metadata: { role: 'web' } });
  });
  afterAll(() => fixture.stop());

  it.for([
    ['a plain text', TEXT],
    ['a byte order mark', '\uFEFF[Service]\nExecStart=/bin/true\n'],
    ['no newline at the end', '[Service]\nExecStart=/bin/true'],
    ['a section with nothing in it', '[Unit]\n'],
  ] as const)('gives back %s byte for byte', async ([, text]) => {
    const put = await fixture.call('PUT', path('bytes.service'), { text });
    expect(put.status).toBe(201);
    const { json } = await fixture.get(path('bytes.service'));
    expect(json.text).toBe(text);
    expect(json.hash).toBe(put.json.hash);
    expect((await fixture.call('DELETE', path('bytes.service'))).status).toBe(204);
  });

  it.for(['', '\uFEFF', '\n', '# nothing\n'])('refuses the empty text %j', async (text) => {
    const { status, json } = await fixture.call('PUT', path('empty.service'), { text });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ status: 'UNIT_FILE_INVALID' });
    expect((await fixture.get(path('empty.service'))).status).toBe(404);
  });

  it('PUT answers the unit and the revision of the write', async () => {
    const { status, json } = await fixture.call('PUT', path('a.service'), {
      text: TEXT,
      desiredState: 'launched',
      ifHash: '',
    });
    expect([status, json]).toEqual([
      201,
      {
        name: 'a.service',
        hash: expect.stringMatching(/^[0-9a-f]{40}$/),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        desiredState: 'launched',
        generation: 1,
        global: false,
        description: 'Hällo %n',
        revision: expect.stringMatching(/^\d+$/),
      },
    ]);
    const again = await fixture.call('PUT', path('a.service'), { text: TEXT });
    expect([again.status, again.json.generation]).toEqual([200, 1]);
    expect((await fixture.call('PUT', path('a.service'), { text: TEXT, ifHash: '' })).status).toBe(
      409,
    );
  });

  it.for([
    ['neither text nor state', 'a.service', {}, 'REQUEST_INVALID', "'text'"],
    ['a hidden file', '.a.service', { text: TEXT }, 'UNIT_NAME_INVALID', 'hidden'],
    ['an unknown field', 'a.service', { text: TEXT, txt: '' }, 'REQUEST_INVALID', 'txt'],
    ['a name that systemd refuses', 'a', { text: TEXT }, 'UNIT_NAME_INVALID', "'a'"],
    ['a text with a fault', 'b.service', { text: '[Service\nx' }, 'UNIT_FILE_INVALID', 'line 1'],
    [
      'half a surrogate pair',
      'b.service',
      { text: '[Service]\nA=\ud800' },
      'UNIT_FILE_INVALID',
      'surrogate',
    ],
    [
      'a text over 256 KiB',
      'b.service',
      { text: `#${'x'.repeat(256 * 1024)}` },
      'UNIT_FILE_INVALID',
      'bytes',
    ],
    [
      'an active template',
      't@.service',
      { text: TEXT, desiredState: 'launched' },
      'REQUEST_INVALID',
      'template',
    ],
    [
      'a state of what does not exist',
      'none.service',
      { desiredState: 'launched' },
      'UNIT_NOT_FOUND',
      'none.service',
    ],
  ] as const)('PUT refuses %s', async ([, name, body, code, words]) => {
    const { status, json } = await fixture.call('PUT', path(name), body);
    expect(status).toBe(code === 'UNIT_NOT_FOUND' ? 404 : 400);
    expect(json.error).toMatchObject({
      code: status,
      status: code,
      message: expect.stringContaining(words),
    });
  });

  it('says where a unit is and what has come of it', async () => {
    const why = async () =>
      (await fixture.get(`${path('a.service')}/explain`)).json.lines as string[];
    expect(await why()).toEqual([
      'the engine has not placed it yet',
      'no engine leads the cluster now: nothing is placed until one does',
    ]);
    await fixture.put('pending', fixture.keys.pending('a.service' as never), {
      name: 'a.service' as never,
      generation: 1,
      counts: {},
      machines: [],
      reason: 'no-machines',
    });
    await fixture.put('leader', fixture.keys.leader, {
      machine: machineId(1),
      sinceMs: 0,
      nonce: 'n',
    });
    expect(await why()).toEqual(['no machine is in the cluster']);
    await fixture.place('a.service', machineId(1));
    expect(await why()).toEqual(['machine 00010000 has not reported it yet']);
    await fixture.report('a.service', machineId(1), {
      started: 1,
      job: 'failed',
      result: 'exit-code',
      activeState: 'failed',
      subState: 'failed',
    });
    expect(await why()).toEqual([
      `its start on machine 00010000 ended with 'failed' (Result=exit-code): failed/failed; see: fleetctl journal a.service`,
    ]);
    const failed = { activeState: 'failed', subState: 'failed', started: 1, job: 'done' } as const;
    await fixture.report('a.service', machineId(1), { ...failed, result: 'signal' });
    expect(await why()).toEqual([
      'it has failed on machine 00010000 (Result=signal); see: fleetctl journal a.service',
    ]);
    await fixture.report('a.service', machineId(1), {
      loadState: 'bad-setting',
      started: 1,
      job: 'failed',
    });
    expect(await why()).toEqual([
      "systemd on machine 00010000 says that a setting in its file is wrong or missing ('bad-setting'); see: fleetctl journal a.service",
    ]);
    await fixture.report('a.service', machineId(1), {
      loadState: 'not-found',
      job: 'done',
      started: 1,
    });
    expect(await why()).toEqual([
      "systemd on machine 00010000 says that its file is 'not-found': replace the unit to write it anew",
    ]);
    await fixture.report('a.service', machineId(1), { started: 1, job: 'done' });
    expect(await why()).toEqual([]);
    const { json } = await fixture.get(path('a.service'));
    expect(json).toMatchObject({
      currentState: 'launched',
      machineID: machineId(1),
      states: [{ machineID: machineId(1), generation: 1, started: 1, job: 'done' }],
    });
    await fixture.remove(fixture.keys.machine(machineId(1)));
    expect((await fixture.get(path('a.service'))).json).toMatchObject({
      currentState: 'lost',
      states: [],
    });
    await fixture.machine(machineId(1), { metadata: { role: 'web' } });
  });

  it('is still launched while its host has not stopped it, and not before it has started again', async () => {
    const current = async () => (await fixture.get(path('a.service'))).json.currentState;
    await fixture.call('PUT', path('a.service'), { desiredState: 'loaded' });
    expect(await current()).toBe('launched');
    await fixture.report('a.service', machineId(1), {});
    expect(await current()).toBe('loaded');
    await fixture.call('PUT', path('a.service'), { desiredState: 'launched' });
    expect(await current()).toBe('loaded');
    await fixture.report('a.service', machineId(1), { started: 3 });
    expect(await current()).toBe('launched');
  });

  it('lists in pages of the limit that is asked for', async () => {
    await fixture.call('PUT', path('z.service'), { text: '[Unit]\n' });
    const first = await fixture.get('/fleet/v2/units?limit=1');
    expect(first.json).toEqual({
      units: [expect.objectContaining({ name: 'a.service' })],
      revision: expect.any(String),
      nextPageToken: expect.any(String),
    });
    await fixture.call('DELETE', path('z.service'));
    const second = await fixture.get(
      `/fleet/v2/units?limit=1&nextPageToken=${first.json.nextPageToken}`,
    );
    expect(second.json).toEqual({
      units: [expect.objectContaining({ name: 'z.service' })],
      revision: first.json.revision,
    });
    for (const limit of ['0', '1001', 'x', '-1'])
      expect((await fixture.get(`/fleet/v2/units?limit=${limit}`)).status).toBe(400);
  });

  it('machines says which are absent, states what hosts say, version and daemon who answers', async () => {
    await fixture.put('host', fixture.keys.host(machineId(9)), {
      id: machineId(9),
      absentSinceMs: 5,
    });
    const { json } = await fixture.get('/fleet/v2/machines');
    expect(json.machines).toMatchObject([
      { id: machineId(1), status: 'ready', metadata: { role: 'web' } },
      { id: machineId(9), status: 'absent', absentSinceMs: 5 },
    ]);
    expect((await fixture.get('/fleet/v2/states')).json.states).toMatchObject([
      { name: 'a.service', started: 3 },
    ]);
    expect((await fixture.get('/fleet/v2/version')).json).toEqual({ version: '2.0.0' });
    expect((await fixture.get('/fleet/v2/daemon')).json).toEqual({
      machineID: machineId(1),
      systemd: 'user',
      version: '2.0.0',
    });
  });

  it('GET is 404 at once after DELETE, and PUT is 201 while the old placement is still there', async () => {
    expect((await fixture.call('DELETE', path('a.service'))).status).toBe(204);
    expect((await fixture.get(path('a.service'))).status).toBe(404);
    const left = await fixture.get(`${path('a.service')}/explain`);
    expect(left.json).toMatchObject({
      machineID: machineId(1),
      left: [{ machineID: machineId(1) }],
      lines: [
        'machine 00010000 is asked to stop a.service and hand it over',
        'machine 00010000 still has it: active/running',
      ],
    });
    expect((await fixture.call('PUT', path('a.service'), { text: TEXT })).status).toBe(201);
    expect((await fixture.get(path('a.service'))).json).toMatchObject({
      machineID: machineId(1),
      desiredState: 'inactive',
      generation: 4,
    });
  });

  it('explain says why the units of an absent machine are not moved, and until when', async () => {
    const id = machineId(7);
    await fixture.place('a.service', id);
    const brake = { sinceMs: 1, untilMs: Date.UTC(2150, 0, 31, 23, 59, 59), machines: [id, id] };
    const lines = async (): Promise<readonly string[]> =>
      (await fixture.get(`${path('a.service')}/explain`)).json.lines;
    const [placed] = await lines();
    expect(placed).toBe(
      'it is placed on machine 00070000, which is absent, and has not been placed elsewhere',
    );
    const seen = { id, lastSeenMs: Date.UTC(2026, 0, 1) };
    await fixture.put('host', fixture.keys.host(id), seen);
    expect((await lines()).slice(0, 2)).toEqual([
      'it is placed on machine 00070000, which is absent since 2026-01-01 00:00:00 UTC, and has not been placed elsewhere',
      'the engine has not judged yet whether machine 00070000 is gone',
    ]);
    await fixture.put('brake', fixture.keys.brake, brake);
    expect((await lines()).slice(1, 3)).toEqual([
      'the brake holds it there until 2150-01-31 23:59:59 UTC: 2 machines, more than half, vanished at once, which looks like a fault of the network',
      'if machine 00070000 is really gone, move its units now: fleetctl evict 00070000',
    ]);
    await fixture.put('host', fixture.keys.host(id), { ...seen, absentSinceMs: 5 });
    expect((await lines()).join()).not.toMatch(/brake|judged/);
  });

  it('explain says that the machine of a unit leaves', async () => {
    const leaving = machineId(5);
    await fixture.machine(leaving, { leaving: true });
    const body = { text: TEXT, desiredState: 'launched' };
    await fixture.call('PUT', path('stays.service'), body);
    await fixture.place('stays.service', leaving);
    await fixture.report('stays.service', leaving, { started: 1, job: 'done' });
    expect((await fixture.get(`${path('stays.service')}/explain`)).json.lines).toEqual([
      'machine 00050000 leaves the cluster: it stops stays.service and hands it over, and it is placed anew when that is done',
    ]);
    await fixture.call('DELETE', path('stays.service'));
    const { keys } = fixture;
    const name = 'stays.service' as never;
    await fixture.removeAll([
      keys.machine(leaving),
      keys.placed(name),
      keys.schedule(leaving, name),
      keys.state(name, leaving),
    ]);
  });

  it('evict marks a machine that is absent, whatever is known of it, and no other', async () => {
    const call = async (id: string): Promise<unknown[]> => {
      const { status, json } = await fixture.call('POST', `/fleet/v2/machines/${id}/evict`);
      return [status, json.error?.status ?? json.evict, json.error?.hint ?? json.status];
    };
    const [present, gone, unrecorded] = [machineId(1), machineId(3), machineId(4)];
    const stop = 'To take it out, stop fleet there: systemctl stop fleet.socket fleet.service';
    expect(await call(present)).toEqual([409, 'MACHINE_PRESENT', stop]);
    expect((await call(gone))[1]).toBe('MACHINE_NOT_FOUND');
    expect((await call('00010000'))[1]).toBe('MACHINE_NOT_FOUND');
    const host = { id: gone, lastSeenMs: 1, absentSinceMs: 2 };
    await fixture.put('host', fixture.keys.host(gone), host);
    for (const _ of [1, 2]) expect(await call(gone)).toEqual([200, true, 'absent']);
    expect(await fixture.read('host', fixture.keys.host(gone))).toMatchObject({
      ...host,
      evict: true,
    });
    await fixture.place('a.service', unrecorded); // no engine was there to record that it went
    expect(await call(unrecorded)).toEqual([200, true, 'absent']);
  });

  it('explain speaks of an orphan, and is 404 for what nobody knows', async () => {
    await fixture.put('orphan', fixture.keys.orphan(machineId(1), 'o.service' as never), {
      name: 'o.service' as never,
      machine: machineId(1),
      hash: '0'.repeat(40),
      generation: 3,
      text: '',
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
    });
    const { json } = await fixture.get(`${path('o.service')}/explain`);
    expect(json).toMatchObject({
      left: [{ orphan: true }],
      lines: [expect.stringMatching(/^machine 00010000 runs it as an orphan, active\/running/)],
    });
    expect((await fixture.get(`${path('none.service')}/explain`)).status).toBe(404);
  });
});
