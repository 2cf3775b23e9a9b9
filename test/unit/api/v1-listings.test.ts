import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiFixture, machineId } from '../../support/api.ts';

const OPTIONS = [{ section: 'Service', name: 'ExecStart', value: '/bin/true' }];
const fleet = (name: string, value: string) => ({ section: 'X-Fleet', name, value });

describe('v1 listings', () => {
  let fixture: ApiFixture;
  beforeAll(async () => {
    fixture = await new ApiFixture().start({ tokenLimit: 2 });
    await fixture.machine(machineId(1), { metadata: { role: 'web' } });
    await fixture.machine(machineId(2), { incarnation: 'boot2' });
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await fixture.call('PUT', `/fleet/v1/units/${name}.service`, {
        options: OPTIONS,
        desiredState: 'launched',
      });
    await fixture.call('PUT', '/fleet/v1/units/g.service', {
      options: [fleet('Global', 'true')],
      desiredState: 'launched',
    });
    await fixture.place('a.service', machineId(1));
    await fixture.report('a.service', machineId(1), { started: 1 });
    await fixture.place('b.service', machineId(1));
    await fixture.report('b.service', machineId(1), {});
    await fixture.place('c.service', machineId(3)); // absent
    await fixture.report('c.service', machineId(3), { started: 1 });
    await fixture.place('d.service', machineId(2));
    await fixture.report('d.service', machineId(2), { started: 1, incarnation: 'boot1' }); // it has booted since
    await fixture.report('g.service', machineId(1), { started: 1 });
  });
  afterAll(() => fixture.stop());

  it('GET /units says the three words, in pages, and nothing of the machine of a global unit', async () => {
    const units: unknown[] = [];
    let token = '';
    let pages = 0;
    do {
      const { json } = await fixture.get(`/fleet/v1/units?nextPageToken=${token}`);
      units.push(...json.units);
      token = json.nextPageToken ?? '';
      pages += 1;
    } while (token !== '');
    expect(pages).toBe(3);
    const unit = (name: string, currentState: string, machineID?: string) => ({
      currentState,
      desiredState: 'launched',
      ...(machineID === undefined ? {} : { machineID }),
      name: `${name}.service`,
      options: OPTIONS,
    });
    expect(units).toEqual([
      unit('a', 'launched', machineId(1)),
      unit('b', 'loaded', machineId(1)),
      unit('c', 'inactive', machineId(3)),
      unit('d', 'inactive', machineId(2)),
      unit('e', 'inactive'),
      { desiredState: 'launched', name: 'g.service', options: [fleet('Global', 'true')] },
    ]);
  });

  it('GET /state shows rows of machines that are there, orphans included', async () => {
    const orphan = {
      name: 'o.service',
      machine: machineId(1),
      hash: 'f'.repeat(40),
      generation: 3,
      text: '',
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
    };
    await fixture.put(
      'orphan',
      fixture.keys.orphan(machineId(1), 'o.service' as never),
      orphan as never,
    );
    const first = await fixture.get('/fleet/v1/state');
    expect(first.json.states.map((row: { name: string }) => row.name)).toEqual([
      'a.service',
      'b.service',
    ]);
    const second = await fixture.get(`/fleet/v1/state?nextPageToken=${first.json.nextPageToken}`);
    expect(second.json).toEqual({
      states: [
        {
          hash: expect.any(String),
          machineID: machineId(1),
          name: 'g.service',
          systemdActiveState: 'active',
          systemdLoadState: 'loaded',
          systemdSubState: 'running',
        },
        {
          hash: 'f'.repeat(40),
          machineID: machineId(1),
          name: 'o.service',
          systemdActiveState: 'active',
          systemdLoadState: 'loaded',
          systemdSubState: 'running',
        },
      ],
    });
  });

  it.for([
    [`unitName=a.service`, ['a.service']],
    [`unitName=none.service`, []],
    [`unitName=no%2Fname`, []],
    [`machineID=${machineId(3)}`, []],
    [`machineID=nonsense`, []],
    [`machineID=${machineId(1)}&unitName=g.service`, ['g.service']],
  ] as const)('GET /state?%s filters', async ([query, names]) => {
    const { json } = await fixture.get(`/fleet/v1/state?${query}`);
    expect((json.states ?? []).map((row: { name: string }) => row.name)).toEqual(names);
  });

  it('GET /state/NAME answers one row', async () => {
    expect((await fixture.get('/fleet/v1/state/a.service')).json.machineID).toBe(machineId(1));
  });

  it('a record that cannot be read is passed over, named once in the log and counted', async () => {
    const key = fixture.keys.unit('bb.service' as never);
    await fixture.putRaw(key, '{"v":99}');
    for (const path of ['/fleet/v1/units', '/fleet/v2/units', '/fleet/v1/units'])
      expect((await fixture.get(path)).status).toBe(200);
    expect(
      (await fixture.get('/fleet/v2/units')).json.units.map((u: { name: string }) => u.name),
    ).not.toContain('bb.service');
    expect(
      fixture.logged.filter(({ fields }) => 'key' in fields && fields.key === key),
    ).toHaveLength(1);
    expect((await fixture.get('/fleet/v1/units/bb.service')).status).toBe(404);
    expect(
      (await fixture.call('PUT', '/fleet/v1/units/bb.service', { desiredState: 'launched' }))
        .status,
    ).toBe(409);
    expect((await fixture.get('/metrics')).text).toMatch(/unreadable_records_total [1-9]/);
    expect((await fixture.call('DELETE', '/fleet/v1/units/bb.service')).status).toBe(204);
  });

  it('a page that is older than the history is answered 410', async () => {
    const { json } = await fixture.get('/fleet/v1/units');
    await fixture.putRaw('/elsewhere', '1');
    const page = await fixture.kv.range('/elsewhere', {}, new AbortController().signal);
    await fixture.kv.compact(page.revision, new AbortController().signal);
    const reply = await fixture.get(`/fleet/v1/units?nextPageToken=${json.nextPageToken}`);
    expect([reply.status, reply.json.error.message]).toEqual([
      410,
      expect.stringContaining('older than the history'),
    ]);
  });
});
