import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '../../src/registry/codec.ts';
import type { Orphan } from '../../src/model/unit-state.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Unit]\nDescription=Says hello\n[Service]\nExecStart=/bin/sleep 1000\n';
let fleet: Fleet;
let hash: string;

beforeAll(async () => {
  fleet = await new Fleet().start();
  const { api } = fleet;
  const [m1, m2] = [machineId(1), machineId(2)];
  await api.machine(m1, { primaryIp: '10.0.0.1', metadata: { role: 'web', disk: 'ssd' } });
  await api.machine(m2, { primaryIp: '192.168.100.12', leaving: true });
  const put = (name: string, body: object) => api.call('PUT', `/fleet/v2/units/${name}`, body);
  await put('hello.service', { text: TEXT, desiredState: 'launched' });
  await api.place('hello.service', m1);
  await api.report('hello.service', m1, { started: 1, job: 'done' });
  await put('broken.service', { text: `${TEXT}Nice=1\n`, desiredState: 'launched' });
  await api.place('broken.service', m2);
  const failed = { activeState: 'failed', subState: 'failed', started: 1, job: 'failed' } as const;
  await api.report('broken.service', m2, failed);
  await put('a-unit-with-a-long-name.service', { text: '[Unit]\nDescription=\u001b[31mred\n' });
  await put('g.service', { text: `${TEXT}[X-Fleet]\nGlobal=true\n`, desiredState: 'launched' });
  await api.report('g.service', m1, { started: 1, job: 'done' });
  const orphan: Orphan = {
    name: 'old.service' as UnitName,
    machine: m1,
    hash: '0'.repeat(40),
    generation: 1,
    text: TEXT,
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
  };
  await api.putRaw(api.keys.orphan(m1, orphan.name), encode('orphan', orphan));
  hash = (await api.get('/fleet/v2/units/hello.service')).json.hash;
});
afterAll(() => fleet.stop());

async function listing(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await fleet.run(...words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('fleetctl list-units', () => {
  it('has the columns and tabs of fleet 1.0', async () => {
    expect(await listing('list-units')).toBe(
      [
        'UNIT\t\tMACHINE\t\t\t\tACTIVE\tSUB',
        'broken.service\t00020000.../192.168.100.12\tfailed\tfailed',
        'g.service\t00010000.../10.0.0.1\t\tactive\trunning',
        'hello.service\t00010000.../10.0.0.1\t\tactive\trunning',
        'old.service\t00010000.../10.0.0.1\t\tactive\trunning',
        '',
      ].join('\n'),
    );
  });

  it('--full and --fields and --no-legend', async () => {
    const fields = 'unit,load,active,sub,machine,hash';
    const rows = await listing('list-units', '-full', '-no-legend=true', '-fields', fields);
    expect(rows.split('\n')[2]).toBe(
      `hello.service\tloaded\tactive\trunning\t${machineId(1)}/10.0.0.1\t${hash}`,
    );
    expect(await listing('list-units', '--no-legend', '--fields=hash')).toContain(
      `${hash.slice(0, 7)}\n`,
    );
  });

  it('colours what failed, for a person at a terminal', async () => {
    const colours = { stdout: true, stderr: false };
    const { stdout } = await fleet.begin(['list-units'], { colours }).ended;
    expect(stdout.split('\n')[1]).toBe(
      'broken.service\t00020000.../192.168.100.12\t\u001b[31mfailed\u001b[0m\t\u001b[31mfailed\u001b[0m',
    );
  });

  it('--json has the shape of the API', async () => {
    const rows = JSON.parse(await listing('list-units', '--json')) as object[];
    expect(rows).toHaveLength(4);
    expect(rows).toContainEqual(
      expect.objectContaining({ name: 'old.service', orphan: true, systemdActiveState: 'active' }),
    );
  });

  it('an unknown field is wrong usage', async () => {
    expect(await fleet.run('list-units', '--fields', 'unit,constructor')).toEqual({
      status: 2,
      stdout: '',
      stderr:
        "fleetctl: list-units has no field 'constructor'\n  The fields are: unit,load,active,sub,machine,hash\n",
    });
  });
});

describe('fleetctl list-unit-files', () => {
  it('is sorted by name and has - for what has no value', async () => {
    expect(await listing('list-unit-files', '--fields', 'unit,dstate,state,target')).toBe(
      [
        'UNIT\t\t\t\tDSTATE\t\tSTATE\t\tTARGET',
        'a-unit-with-a-long-name.service\tinactive\tinactive\t-',
        'broken.service\t\t\tlaunched\tlaunched\t00020000.../192.168.100.12',
        'g.service\t\t\tlaunched\t-\t\tglobal',
        'hello.service\t\t\tlaunched\tlaunched\t00010000.../10.0.0.1',
        '',
      ].join('\n'),
    );
  });

  it('has the default columns of fleet 1.0', async () => {
    const [header, , , , hello] = (await listing('list-unit-files')).split('\n');
    expect(header?.split(/\t+/)).toEqual(['UNIT', 'HASH', 'DSTATE', 'STATE', 'TARGET']);
    expect(hello?.split(/\t+/)[1]).toBe(hash.slice(0, 7));
  });

  it('lets no control character of a description through', async () => {
    const rows = await listing('list-unit-files', '--no-legend', '--fields', 'global,desc');
    expect(rows.split('\n').slice(0, 3)).toEqual([
      'false\t [31mred',
      'false\tSays hello',
      'true\tSays hello',
    ]);
  });

  it('--json has the shape of the API', async () => {
    const rows = JSON.parse(await listing('list-unit-files', '--json')) as { name: string }[];
    expect(rows.map(({ name }) => name)[0]).toBe('a-unit-with-a-long-name.service');
  });
});

describe('fleetctl list-machines', () => {
  it('has sorted metadata', async () => {
    expect(await listing('list-machines')).toBe(
      [
        'MACHINE\t\tIP\t\tMETADATA',
        '00010000...\t10.0.0.1\tdisk=ssd,role=web',
        '00020000...\t192.168.100.12\t-',
        '',
      ].join('\n'),
    );
  });

  it('shows absent ones only with their status', async () => {
    const m3 = machineId(3);
    const host = encode('host', { id: m3, absentSinceMs: 1 });
    await fleet.api.putRaw(fleet.api.keys.host(m3), host);
    expect(await listing('list-machines', '--no-legend', '--fields', 'machine')).not.toContain(
      '0003',
    );
    expect(await listing('list-machines', '--no-legend', '--fields', 'machine,status')).toBe(
      '00010000...\tready\n00020000...\tleaving\n00030000...\tabsent\n',
    );
  });

  it('says which are evicted, and which the brake holds', async () => {
    const { keys } = fleet.api;
    const hosts = [
      { id: machineId(3), lastSeenMs: 1, absentSinceMs: 2 },
      { id: machineId(4), lastSeenMs: 1, evict: true },
      { id: machineId(5), lastSeenMs: 1 },
    ];
    for (const host of hosts) await fleet.api.put('host', keys.host(host.id), host);
    const brake = { sinceMs: 1, untilMs: 2 ** 43, machines: [machineId(4), machineId(5)] };
    await fleet.api.put('brake', keys.brake, brake);
    const listed = await listing('list-machines', '--no-legend', '--fields', 'machine,status');
    expect(listed.split('\n').slice(2)).toEqual([
      '00030000...\tabsent',
      '00040000...\tevicted',
      '00050000...\tabsent (brake)',
      '',
    ]);
    await fleet.api.put('brake', keys.brake, { ...brake, untilMs: 2 }); // its time is over
    expect(await listing('list-machines', '--fields', 'status')).not.toContain('brake');
  });
});

describe('fleetctl cat and explain', () => {
  it('cat prints the very bytes', async () => {
    expect(await listing('cat', 'hello')).toBe(TEXT);
    expect((await fleet.run('cat', 'no')).status).toBe(1);
  });

  it('explain says what is not as desired', async () => {
    expect(await listing('explain', 'hello')).toBe(
      'Unit hello.service is as desired (launched).\n',
    );
    expect(await listing('explain', 'broken')).toContain("ended with 'failed'");
    expect(JSON.parse(await listing('explain', 'hello', '--json'))).toMatchObject({ lines: [] });
  });
});
