import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { ApiFixture, forever, machineId } from '../../support/api.ts';
import { eventually } from '../../support/eventually.ts';

const TEXT = '[Service]\nExecStart=/bin/true\n';
let fixture: ApiFixture;
let store: MemoryStore;
beforeEach(async () => {
  store = new MemoryStore({ clock: systemClock });
  fixture = await new ApiFixture(store).start();
});
afterEach(() => fixture.stop());

interface Heard {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Everything that a stream has told so far, as it comes. */
function listen(response: IncomingMessage): { heard: Heard[]; ended: Promise<void> } {
  const heard: Heard[] = [];
  let rest = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
      if ('data' in fields)
        heard.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) });
    }
  });
  return { heard, ended: new Promise((resolve) => response.once('close', resolve)) };
}

const put = (name: string, body: unknown = { text: TEXT }) =>
  fixture.call('PUT', `/fleet/v2/units/${name}`, body);
const words = (heard: readonly Heard[]) =>
  heard.map(({ event, data }) => `${event} ${String(data['name'])}`);

describe('GET /fleet/v2/events', () => {
  it('tells of units, placements, states and reasons in order, each with its revision', async () => {
    const response = await fixture.open('GET', '/fleet/v2/events');
    expect([
      response.statusCode,
      response.headers['content-type'],
      response.headers['server'],
    ]).toEqual([200, 'text/event-stream', 'fleetd/2.0.0']);
    const { heard } = listen(response);
    await put('a.service');
    await fixture.put('pending', fixture.keys.pending('a.service' as never), {
      name: 'a.service' as never,
      generation: 1,
      counts: {},
      machines: [],
      reason: 'no-machines',
    });
    await fixture.place('a.service', machineId(1));
    await fixture.report('a.service', machineId(1), { started: 1, job: 'running' });
    await fixture.remove(fixture.keys.state('a.service' as never, machineId(1)));
    await fixture.call('DELETE', '/fleet/v2/units/a.service');
    await eventually(() => heard.length >= 8);
    expect(heard.map(({ data }) => data)).toEqual([
      {
        kind: 'unit',
        name: 'a.service',
        unit: expect.objectContaining({ generation: 1, desiredState: 'inactive' }),
      },
      {
        kind: 'pending',
        name: 'a.service',
        pending: expect.anything(),
        lines: ['no machine is in the cluster'],
      },
      { kind: 'placed', name: 'a.service', machineID: machineId(1), releasing: false },
      {
        kind: 'state',
        name: 'a.service',
        machineID: machineId(1),
        state: expect.objectContaining({ started: 1, job: 'running' }),
      },
      { kind: 'state', name: 'a.service', machineID: machineId(1) },
      { kind: 'unit', name: 'a.service' },
      { kind: 'pending', name: 'a.service' },
      { kind: 'placed', name: 'a.service', machineID: machineId(1), releasing: true },
    ]);
    const ids = heard.map(({ id }) => Number(id));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    response.destroy();
  });

  it.for([
    ['prefix=ab', ['unit ab.service', 'unit abc.service']],
    ['name=ab.service', ['unit ab.service']],
    ['', ['unit a.service', 'unit ab.service', 'unit abc.service']],
  ] as const)('?%s filters by name', async ([query, then]) => {
    const response = await fixture.open('GET', `/fleet/v2/events?${query}`);
    const { heard } = listen(response);
    for (const name of ['a.service', 'ab.service', 'abc.service']) await put(name);
    await eventually(() => heard.length === then.length);
    expect(words(heard)).toEqual(then);
    response.destroy();
  });

  it('goes on after the revision that a reader knows, without loss or doubles', async () => {
    const { json } = await put('a.service');
    for (const name of ['b.service', 'c.service']) await put(name);
    for (const headers of [undefined, { 'last-event-id': json.revision }] as const) {
      const path =
        headers === undefined ? `/fleet/v2/events?after=${json.revision}` : '/fleet/v2/events';
      const response = await fixture.open('GET', path, undefined, headers);
      const { heard } = listen(response);
      await eventually(() => heard.length >= 2);
      expect(words(heard)).toEqual(['unit b.service', 'unit c.service']);
      response.destroy();
    }
  });

  it('says reset when the history is gone, then goes on', async () => {
    await put('a.service');
    const { json } = await put('b.service');
    await store.compact(BigInt(json.revision), forever);
    const response = await fixture.open('GET', '/fleet/v2/events?after=1');
    const { heard } = listen(response);
    await eventually(() => heard.length === 1);
    expect(heard[0]).toMatchObject({ id: json.revision, data: { kind: 'reset' } });
    await put('c.service');
    await eventually(() => heard.length === 2);
    expect(words(heard)).toEqual(['reset undefined', 'unit c.service']);
    response.destroy();
  });

  it.for(['x', '-1', '1'.repeat(40)])('refuses ?after=%s', async (after) => {
    const { status, json } = await fixture.get(`/fleet/v2/events?after=${after}`);
    expect([status, json.error.message]).toEqual([400, expect.stringContaining("'after'")]);
  });

  it('watches only while somebody listens', async () => {
    expect(store.watches).toBe(0);
    const response = await fixture.open('GET', '/fleet/v2/events');
    await eventually(() => store.watches === 1);
    response.destroy();
    await eventually(() => store.watches === 0);
  });

  it('cuts off a reader that does not read', async () => {
    const response = await fixture.open('GET', '/fleet/v2/events');
    await eventually(() => store.watches === 1);
    response.pause();
    const pending = (n: number) => ({
      name: 'a.service' as never,
      generation: n,
      counts: {},
      machines: Array.from({ length: 20 }, () => ({
        machine: machineId(1),
        refusal: {
          kind: 'metadata' as const,
          key: 'k'.repeat(5_000),
          required: [],
          actual: undefined,
        },
      })),
    });
    for (let n = 0; n < 400 && store.watches > 0; n += 1) {
      await fixture.put('pending', fixture.keys.pending('a.service' as never), pending(n));
      await new Promise(setImmediate);
    }
    await eventually(() => store.watches === 0);
    response.destroy();
  });

  it('ends when the API closes', async () => {
    const response = await fixture.open('GET', '/fleet/v2/events');
    const { ended } = listen(response);
    await fixture.api.close();
    await ended;
  });
});
