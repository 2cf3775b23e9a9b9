// Orphans through the API: who may be adopted, which of several, and what is written of it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import type { Orphan } from '../../../src/model/unit-state.ts';
import type { UnitName } from '../../../src/model/unit.ts';
import { optionsOf } from '../../../src/unitfile/format.ts';
import { hashOfOptions } from '../../../src/unitfile/hash.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';
import { ApiFixture, machineId, type Reply } from '../../support/api.ts';

const NAME = 'o.service' as UnitName;
const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const GLOBAL = `${TEXT}[X-Fleet]\nGlobal=true\n`;
const [m1, m2, m3] = [machineId(1), machineId(2), machineId(3)];

let fixture: ApiFixture;
beforeEach(async () => {
  fixture = await new ApiFixture().start();
  for (const id of [m1, m2]) await fixture.machine(id);
});
afterEach(() => fixture.stop());

async function orphan(
  machine: MachineId,
  text = TEXT,
  fields: Partial<Orphan> = {},
): Promise<void> {
  await fixture.put('orphan', fixture.keys.orphan(machine, NAME), {
    name: NAME,
    machine,
    hash: hashOfOptions(optionsOf(parseUnitFile(text).ok!)),
    generation: 5,
    desiredState: 'launched',
    text,
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    ...fields,
  });
}

const adopt = (query = ''): Promise<Reply> =>
  fixture.call('POST', `/fleet/v2/units/${NAME}/adopt${query}`);
const explain = async (): Promise<readonly string[]> =>
  (await fixture.get(`/fleet/v2/units/${NAME}/explain`)).json.lines;
const mark = async (machine: MachineId): Promise<boolean | undefined> =>
  (await fixture.read('assignment', fixture.keys.schedule(machine, NAME)))?.release;

describe('adopt', () => {
  it('writes the unit, its file, its placement and the copy of its host, all of the same version', async () => {
    await orphan(m1);
    const { status, json } = await adopt();
    expect([status, json]).toMatchObject([
      201,
      { name: NAME, machineID: m1, desiredState: 'launched', generation: 5 },
    ]);
    const unit = (await fixture.get(`/fleet/v2/units/${NAME}`)).json;
    expect(unit).toMatchObject({ text: TEXT, hash: json.hash, machineID: m1 });
    const { keys } = fixture;
    const target = { hash: json.hash, generation: 5, release: false };
    expect(await fixture.read('placement', keys.placed(NAME))).toMatchObject(target);
    expect(await fixture.read('assignment', keys.schedule(m1, NAME))).toMatchObject({
      ...target,
      sha256: json.sha256,
      desiredState: 'launched',
    });
  });

  it.for([
    { fields: { desiredState: 'loaded' as const }, wanted: 'loaded' },
    { fields: { desiredState: undefined, activeState: 'activating' }, wanted: 'launched' },
    { fields: { desiredState: undefined, activeState: 'inactive' }, wanted: 'loaded' },
  ])('wants what it was there for, or what it does: $fields', async ({ fields, wanted }) => {
    await orphan(m1, TEXT, fields as Partial<Orphan>);
    expect((await adopt()).json.desiredState).toBe(wanted);
  });

  it('must be told which of several machines keeps it, and lets the others stop it', async () => {
    await orphan(m1);
    await orphan(m2, TEXT, { generation: 6 });
    const refused = await adopt();
    expect([refused.status, refused.json.error]).toMatchObject([
      409,
      {
        message: "unit 'o.service' runs on 2 machines: 00010000, 00020000",
        hint: 'Say which of them is to keep it, with --machine; the others are asked to stop it.',
      },
    ]);
    expect((await adopt(`?machineID=${m2}`)).json).toMatchObject({ machineID: m2, generation: 6 });
    expect([await mark(m1), await mark(m2)]).toEqual([true, false]);
  });

  it('does not see orphans of machines that are absent', async () => {
    await orphan(m3);
    expect((await adopt()).status).toBe(404);
    await orphan(m1);
    expect((await adopt()).json.machineID).toBe(m1);
    expect(await mark(m3)).toBeUndefined();
  });

  it('makes a global unit of a global one, for all that run it, without asking which', async () => {
    await orphan(m1, GLOBAL);
    await orphan(m2, GLOBAL, { generation: 9 });
    const { status, json } = await adopt();
    expect([status, json]).toMatchObject([201, { global: true, generation: 9 }]);
    expect(json).not.toHaveProperty('machineID');
    const { keys } = fixture;
    expect(await fixture.read('global', keys.global(NAME))).toMatchObject({ generation: 9 });
    expect([await mark(m1), await mark(m2)]).toEqual([undefined, undefined]);
  });

  it.for([
    { name: 'nobody runs', fields: undefined, status: 404, says: 'no machine runs unit' },
    { name: 'has no file there', fields: { text: '' }, status: 409, says: 'is gone on machine' },
    {
      name: 'has another file there than it was started from',
      fields: { hash: 'f'.repeat(40) },
      status: 409,
      says: 'is not the one that it was started from',
    },
    {
      name: 'has a file that fleet refuses',
      fields: { text: `${TEXT}[X-Fleet]\nNonsense=1\n` },
      status: 400,
      says: 'is refused',
    },
  ])('refuses what $name', async ({ fields, status, says }) => {
    if (fields !== undefined) await orphan(m1, TEXT, fields);
    const reply = await adopt();
    expect(reply.status).toBe(status);
    expect(reply.json.error.message).toContain(says);
    expect((await fixture.get(`/fleet/v2/units/${NAME}`)).status).toBe(404);
  });

  it('refuses a name that the store knows, also one that is being destroyed', async () => {
    await orphan(m1);
    const path = `/fleet/v2/units/${NAME}`;
    await fixture.call('PUT', path, { text: TEXT });
    expect((await adopt()).json.error.message).toBe("unit 'o.service' is in the store already");
    await fixture.place(NAME, m2);
    await fixture.call('DELETE', path);
    expect((await adopt()).json.error.message).toContain('was destroyed, and is being stopped');
    expect((await adopt('?machineID=00010000')).status).toBe(400);
  });
});

describe('an orphan', () => {
  it('is in the listing of states, and explain says what to do with it', async () => {
    await orphan(m1);
    expect((await fixture.get('/fleet/v2/states')).json.states).toMatchObject([{ orphan: true }]);
    expect(await explain()).toEqual([
      'machine 00010000 runs it as an orphan, active/running: the cluster has no unit of this name; it stays up until a person decides: fleetctl adopt o.service, or fleetctl destroy o.service',
    ]);
  });

  it('beside a unit of its name is told, where it runs', async () => {
    await fixture.call('PUT', `/fleet/v2/units/${NAME}`, { text: TEXT, desiredState: 'launched' });
    await fixture.place(NAME, m2);
    await fixture.report(NAME, m2, { started: 1, job: 'done' });
    await orphan(m1);
    expect(await explain()).toEqual([
      'machine 00010000 runs it as an orphan too, active/running: it stays up until it is stopped there (systemctl stop o.service)',
    ]);
    await orphan(m1, TEXT, { activeState: 'inactive' });
    expect(await explain()).toEqual([]);
  });

  it('is ended by a DELETE of its name, with or without a unit, in v1 too', async () => {
    await orphan(m1);
    await orphan(m2);
    expect((await fixture.call('DELETE', `/fleet/v1/units/${NAME}`)).status).toBe(204);
    expect([await mark(m1), await mark(m2)]).toEqual([true, true]);
    expect((await fixture.call('DELETE', '/fleet/v1/units/none.service')).status).toBe(404);
  });

  it('tells readers of events of its row, apart from that of the unit', async () => {
    const stream = await fixture.open('GET', `/fleet/v2/events?prefix=${NAME}`);
    await orphan(m1);
    await fixture.remove(fixture.keys.orphan(m1, NAME));
    let text = '';
    stream.setEncoding('utf8');
    for await (const chunk of stream as AsyncIterable<string>)
      if ((text += chunk).split('event: state').length > 2) break;
    const told = text
      .split('\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)) as object);
    const row = { kind: 'state', name: NAME, machineID: m1, orphan: true };
    expect(told).toMatchObject([{ ...row, state: { orphan: true, generation: 5 } }, row]);
    expect(told[1]).not.toHaveProperty('state');
  });
});
