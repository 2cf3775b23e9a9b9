import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FleetError, isFleetError } from '../../../src/model/errors.ts';
import type { MachineId } from '../../../src/model/machine.ts';
import type { UnitName, UnitOption } from '../../../src/model/unit.ts';
import { decode, encode } from '../../../src/registry/codec.ts';
import { destroyAll } from '../../../src/registry/orphans.ts';
import { HostReport } from '../../../src/registry/report.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { destroyUnit, putUnit, type UnitFile } from '../../../src/registry/units.ts';
import { sha256Of } from '../../../src/unitfile/hash.ts';
import { ApiFixture, forever, machineId } from '../../support/api.ts';
import { LossyKv, type Fate } from '../../support/lossy-kv.ts';

const NAME = 'a.service' as UnitName;
const M1: MachineId = machineId(1);
function file(hash: string, text = hash, options: readonly UnitOption[] = []): UnitFile {
  return { text, hash: hash.repeat(40), sha256: sha256Of(text), options, description: '' };
}

let fixture: ApiFixture;
let registry: Registry;
beforeEach(() => {
  fixture = new ApiFixture();
  registry = { kv: fixture.kv, keys: fixture.keys, unreadable: () => undefined };
});
afterEach(() => fixture.stop());

/** A random source with a seed: mulberry32. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

describe('requests at the same time over a failing store', () => {
  it.for([1, 2, 3, 4, 5, 6, 7, 8])(
    'lose no acknowledged write and apply none twice (seed %i)',
    async (seed) => {
      const random = randomFrom(seed);
      const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
      const fates: readonly Fate[] = [
        'done',
        'done',
        'done',
        'done',
        'refused',
        'lost-request',
        'lost-answer',
      ];
      registry = { ...registry, kv: new LossyKv(fixture.kv, () => pick(fates)) };
      const acknowledged: { requestId: string; generation: number; revision: bigint }[] = [];
      const expected = ['STORE_UNAVAILABLE', 'REGISTRY_BUSY', 'UNIT_NOT_FOUND'];
      const client = async (id: number): Promise<void> => {
        for (let n = 0; n < 15; n += 1) {
          for (let pause = random() * 4; pause > 1; pause -= 1) await Promise.resolve();
          const kind = pick([
            'put',
            'put',
            'state',
            'state',
            'state',
            'destroy',
            'place',
            'place',
            'hand over',
          ] as const);
          try {
            if (kind === 'destroy') await destroyUnit(registry, NAME, forever);
            else if (kind === 'place') await placeFenced(fixture);
            else if (kind === 'hand over') await handOver(fixture);
            else {
              const requestId = `client${id}-${n}`;
              const answer = await putUnit(
                registry,
                {
                  name: NAME,
                  requestId,
                  ...(kind === 'put'
                    ? { file: file(pick(['a', 'b', 'c'])) }
                    : { desiredState: pick(['inactive', 'loaded', 'launched'] as const) }),
                },
                forever,
              );
              if (answer.outcome !== 'unchanged')
                acknowledged.push({
                  requestId,
                  generation: answer.unit.generation,
                  revision: answer.revision,
                });
            }
          } catch (error) {
            if (!(isFleetError(error) && expected.includes(error.code))) throw error;
          }
        }
      };
      await Promise.all([1, 2, 3, 4].map(client));

      const history = await writesOf(fixture, fixture.keys.unit(NAME));
      expect(acknowledged.length).toBeGreaterThan(2);
      for (const { requestId, generation, revision } of acknowledged) {
        const writes = history.filter((write) => write.unit?.requestId === requestId);
        expect(writes.map((write) => [write.unit?.generation, write.revision])).toEqual([
          [generation, revision],
        ]);
      }
      const ids = history.flatMap(({ unit }) => unit?.requestId ?? []);
      expect(new Set(ids).size).toBe(ids.length);
      let before = 0;
      for (const { unit } of history) {
        if (unit !== undefined && before > 0)
          expect(unit.generation - before).toBeLessThanOrEqual(1);
        before = unit?.generation ?? 0;
      }
      const unit = await fixture.read('unit', fixture.keys.unit(NAME));
      const left = await fixture.read('placement', fixture.keys.placed(NAME));
      if (left !== undefined && (unit === undefined || unit.desiredState === 'inactive'))
        expect(left.release).toBe(true);
      const copy = await fixture.read('assignment', fixture.keys.schedule(M1, NAME));
      expect(copy?.release).toBe(left?.release);
      if (copy !== undefined && unit?.hash === copy.hash && !copy.release)
        expect([copy.desiredState, copy.generation]).toEqual([unit.desiredState, unit.generation]);
    },
  );
});

describe('a host that leaves', () => {
  it('cannot take a unit from the fleetd that follows, by a request that comes late', async () => {
    const { kv, keys } = fixture;
    const [row, own] = [keys.schedule(M1, NAME), keys.machine(M1)];
    await fixture.putRaw(own, 'leaving');
    await fixture.putRaw(row, 'as the leaving one saw it');
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: row }] }, forever);
    const items = [{ name: NAME, revision: gets[0]!.modRevision }];
    const report = new HostReport(kv, keys, M1);
    await fixture.putRaw(own, 'back'); // the next fleetd has registered
    await expect(report.handOver(items, 'leaving', forever)).rejects.toMatchObject({
      code: 'REGISTRY_BUSY',
    });
    const after = await kv.txn({ then: [{ kind: 'get', key: row }] }, forever);
    expect(after.gets[0]?.value).toBe('as the leaving one saw it');
    await fixture.putRaw(own, 'leaving');
    expect(await report.handOver(items, 'leaving', forever)).toEqual([]);
    const gone = await kv.txn({ then: [{ kind: 'get', key: row }] }, forever);
    expect(gone.gets[0]).toBeUndefined();
  });
});

describe('a request whose first try may have been committed', () => {
  it('is not refused for what others have made of its unit since', async () => {
    let isFirst = true;
    const txn: Registry['kv']['txn'] = async (asked, signal) => {
      const result = await fixture.kv.txn(asked, signal);
      if (!isFirst || asked.then.every(({ kind }) => kind === 'get')) return result;
      isFirst = false;
      const other = { name: NAME, requestId: 'other', file: file('b') };
      await putUnit({ ...registry, kv: fixture.kv }, other, signal);
      throw new FleetError('STORE_UNAVAILABLE', 'the answer is lost', {
        details: { ambiguous: true },
      });
    };
    const kv = new Proxy(fixture.kv, {
      get: (store, name) => (name === 'txn' ? txn : Reflect.get(store, name)),
    });
    const request = { name: NAME, requestId: 'own', file: file('a'), ifHash: '' };
    await expect(putUnit({ ...registry, kv }, request, forever)).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
  });
});

/** Places the unit as the engine does: only if neither it nor its placement has changed meanwhile. */
async function placeFenced({ kv, keys }: ApiFixture): Promise<void> {
  const view = await kv.txn({ then: [{ kind: 'get', key: keys.unit(NAME) }] }, forever);
  const found = view.gets[0];
  if (found === undefined) return;
  const { hash, sha256, desiredState, generation, options } = decode(
    'unit',
    found.key,
    found.value,
  );
  if (desiredState === 'inactive') return;
  const placed = { name: NAME, machine: M1, generation, hash, release: false };
  const copy = {
    name: NAME,
    hash,
    sha256,
    desiredState,
    generation,
    options,
    machine: M1,
    release: false,
  };
  await kv.txn(
    {
      compares: [
        { key: found.key, target: 'mod', equals: found.modRevision },
        { key: keys.placed(NAME), target: 'mod', equals: 0n },
      ],
      then: [
        { kind: 'put', key: keys.placed(NAME), value: encode('placement', placed) },
        { kind: 'put', key: keys.schedule(M1, NAME), value: encode('assignment', copy) },
      ],
    },
    forever,
  );
}

/** Hands over as host and engine do, so that the unit can be placed anew. */
async function handOver({ kv, keys }: ApiFixture): Promise<void> {
  const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.placed(NAME) }] }, forever);
  const found = gets[0];
  if (found === undefined || !decode('placement', found.key, found.value).release) return;
  await kv.txn(
    {
      compares: [{ key: found.key, target: 'mod', equals: found.modRevision }],
      then: [
        { kind: 'delete', key: found.key },
        { kind: 'delete', key: keys.schedule(M1, NAME) },
      ],
    },
    forever,
  );
}

/** Every write of the key, from the store's own history. */
async function writesOf(from: ApiFixture, key: string) {
  const stop = new AbortController();
  const { revision: now } = await from.kv.range(key, { limit: 1 }, forever);
  await from.putRaw(`${key}~end`, '');
  const writes: {
    revision: bigint;
    unit: { requestId: string; generation: number } | undefined;
  }[] = [];
  for await (const batch of from.kv.watch(key, 1n, stop.signal)) {
    if (batch.revision > now) break;
    for (const event of batch.events) {
      if (event.kind === 'put')
        writes.push({ revision: batch.revision, unit: JSON.parse(event.kv.value) });
      else writes.push({ revision: batch.revision, unit: undefined });
    }
  }
  stop.abort();
  return writes;
}

describe('destroying what a machine runs unknown to the store', () => {
  const at = { name: NAME, machine: M1, hash: 'a'.repeat(40), generation: 1, text: '' };
  const row = (subState: string): string =>
    encode('orphan', { ...at, loadState: 'loaded', activeState: 'active', subState });
  const report = (subState: string): Promise<unknown> => {
    const key = fixture.keys.orphan(M1, NAME);
    return fixture.kv.txn({ then: [{ kind: 'put', key, value: row(subState) }] }, forever);
  };
  /** Something else is committed just before the first mark. */
  const meanwhile = (other: () => Promise<unknown>): Registry => {
    let isFirst = true;
    const txn: Registry['kv']['txn'] = async (asked, signal) => {
      const { kv } = fixture;
      if (!isFirst || asked.then.every(({ kind }) => kind === 'get')) return kv.txn(asked, signal);
      isFirst = false;
      await other();
      return await kv.txn(asked, signal);
    };
    const range: Registry['kv']['range'] = (...asked) => fixture.kv.range(...asked);
    const kv = new Proxy(fixture.kv, {
      get: (store, name) => ({ txn, range })[String(name)] ?? Reflect.get(store, name),
    });
    return { ...registry, kv };
  };
  const mark = async (): Promise<boolean | undefined> =>
    (await fixture.read('assignment', fixture.keys.schedule(M1, NAME)))?.release;

  beforeEach(async () => {
    await fixture.machine(M1);
    await report('running');
  });

  it('writes a mark that can be read where the machine does not know the version any more', async () => {
    const value = encode('orphan', {
      ...at,
      hash: '',
      generation: 0,
      desiredState: 'loaded',
      loadState: 'loaded',
      activeState: 'inactive',
      subState: 'dead',
    });
    const key = fixture.keys.orphan(M1, NAME);
    await fixture.kv.txn({ then: [{ kind: 'put', key, value }] }, forever);
    await destroyAll(registry, NAME, forever);
    expect(await mark()).toBe(true);
  });

  it('asks again where the machine has reported anew', async () => {
    await destroyAll(
      meanwhile(() => report('reload')),
      NAME,
      forever,
    );
    expect(await mark()).toBe(true);
  });

  it('ends the unit as well that is made anew before the mark: no engine places it beside what is being stopped', async () => {
    const make = (): Promise<unknown> =>
      putUnit(registry, { name: NAME, requestId: 'again', file: file('b') }, forever);
    await destroyAll(meanwhile(make), NAME, forever);
    expect(await mark()).toBe(true);
    expect(await fixture.read('unit', fixture.keys.unit(NAME))).toBeUndefined();
    const key = fixture.keys.schedule(M1, NAME);
    const { gets, revision } = await fixture.kv.txn({ then: [{ kind: 'get', key }] }, forever);
    expect(gets[0]?.modRevision).toBe(revision); // the mark came last: the unit was gone by then
  });

  it('is content where another has asked at the same time', async () => {
    await destroyAll(
      meanwhile(() => destroyAll(registry, NAME, forever)),
      NAME,
      forever,
    );
    expect(await mark()).toBe(true);
  });
});
