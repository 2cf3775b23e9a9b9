import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFleetError } from '../../../src/model/errors.ts';
import type { MachineId } from '../../../src/model/machine.ts';
import type { DesiredState, UnitName, UnitOption } from '../../../src/model/unit.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import {
  destroyUnit,
  putUnit,
  type PutAnswer,
  type UnitFile,
} from '../../../src/registry/units.ts';
import { sha256Of } from '../../../src/unitfile/hash.ts';
import { ApiFixture, forever, machineId } from '../../support/api.ts';
import { LossyKv, type Fate } from '../../support/lossy-kv.ts';

const NAME = 'a.service' as UnitName;
const M1: MachineId = machineId(1);
const GLOBAL: readonly UnitOption[] = [{ section: 'X-Fleet', name: 'Global', value: 'true' }];

function file(hash: string, text = hash, options: readonly UnitOption[] = []): UnitFile {
  return { text, hash: hash.repeat(40), sha256: sha256Of(text), options, description: '' };
}

let requests = 0;
let fixture: ApiFixture;
let registry: Registry;
beforeEach(() => {
  fixture = new ApiFixture();
  registry = { kv: fixture.kv, keys: fixture.keys, unreadable: () => undefined };
});
afterEach(() => fixture.stop());

function put(desiredState?: DesiredState, given?: UnitFile, ifHash?: string): Promise<PutAnswer> {
  return putUnit(
    registry,
    {
      name: NAME,
      requestId: `request${(requests += 1)}`,
      ...(desiredState === undefined ? {} : { desiredState }),
      ...(given === undefined ? {} : { file: given }),
      ...(ifHash === undefined ? {} : { ifHash }),
    },
    forever,
  );
}

/** All records of the unit in few words. */
async function stored(): Promise<readonly string[]> {
  const { kvs } = await fixture.kv.range(fixture.keys.prefix, {}, forever);
  return kvs
    .filter(({ key }) => !key.startsWith(fixture.keys.files))
    .map(({ key, value }) => {
      const record = JSON.parse(value) as Record<string, unknown>;
      const { hash, desiredState, generation, release } = record;
      const words = [
        key.slice(fixture.keys.prefix.length).replace(M1, 'M1'),
        typeof hash === 'string' ? hash[0] : undefined,
        desiredState,
        generation,
        release === true ? 'release' : undefined,
      ];
      return words
        .filter((word) => word !== undefined)
        .map(String)
        .join(' ');
    });
}

describe('putUnit and destroyUnit', () => {
  it.for([
    [
      'create',
      async (): Promise<void> => void (await put(undefined, file('a'))),
      ['c/unit/a.service a inactive 1'],
    ],
    [
      'create launched',
      async (): Promise<void> => void (await put('launched', file('a'))),
      ['c/unit/a.service a launched 1'],
    ],
    [
      'create a global one launched',
      async (): Promise<void> => void (await put('launched', file('a', 'a', GLOBAL))),
      ['c/global/a.service a launched 1', 'c/unit/a.service a launched 1'],
    ],
    [
      'create a global one',
      async (): Promise<void> => void (await put(undefined, file('a', 'a', GLOBAL))),
      ['c/unit/a.service a inactive 1'],
    ],
  ] as const)('%s writes what DESIGN §2 says', async ([, act, then]) => {
    await act();
    expect(await stored()).toEqual(then);
  });

  const placed = async (state: DesiredState = 'launched') => {
    await put(state, file('a'));
    await fixture.place(NAME, M1);
  };
  it.for([
    [
      'stop',
      async (): Promise<void> => void (await put('loaded')),
      [
        'c/placed/a.service a 1',
        'c/schedule/M1/a.service a loaded 2',
        'c/unit/a.service a loaded 2',
      ],
    ],
    [
      'unload',
      async (): Promise<void> => void (await put('inactive')),
      [
        'c/placed/a.service a 1 release',
        'c/schedule/M1/a.service a launched 1 release',
        'c/unit/a.service a inactive 2',
      ],
    ],
    [
      'unload, then start',
      async (): Promise<void> => {
        await put('inactive');
        await put('launched');
      },
      [
        'c/placed/a.service a 1 release',
        'c/schedule/M1/a.service a launched 1 release',
        'c/unit/a.service a launched 3',
      ],
    ],
    [
      'the state that it has',
      async (): Promise<void> => void (await put('launched')),
      [
        'c/placed/a.service a 1',
        'c/schedule/M1/a.service a launched 1',
        'c/unit/a.service a launched 1',
      ],
    ],
    [
      'replace',
      async (): Promise<void> => void (await put(undefined, file('b'))),
      [
        'c/placed/a.service a 1',
        'c/schedule/M1/a.service a launched 1',
        'c/unit/a.service b launched 2',
      ],
    ],
    [
      'replace, then stop',
      async (): Promise<void> => {
        await put(undefined, file('b'));
        await put('loaded');
      },
      [
        'c/placed/a.service a 1',
        'c/schedule/M1/a.service a loaded 3',
        'c/unit/a.service b loaded 3',
      ],
    ],
    [
      'replace and replace back',
      async (): Promise<void> => {
        await put(undefined, file('b'));
        await put(undefined, file('a'));
      },
      [
        'c/placed/a.service a 1',
        'c/schedule/M1/a.service a launched 3',
        'c/unit/a.service a launched 3',
      ],
    ],
    [
      'replace by a global one',
      async (): Promise<void> => void (await put(undefined, file('b', 'b', GLOBAL))),
      [
        'c/global/a.service b launched 2',
        'c/placed/a.service a 1 release',
        'c/schedule/M1/a.service a launched 1 release',
        'c/unit/a.service b launched 2',
      ],
    ],
    [
      'destroy',
      async (): Promise<void> => void (await destroyUnit(registry, NAME, forever)),
      ['c/placed/a.service a 1 release', 'c/schedule/M1/a.service a launched 1 release'],
    ],
    [
      'destroy and create anew',
      async (): Promise<void> => {
        await destroyUnit(registry, NAME, forever);
        await put('launched', file('a'));
      },
      [
        'c/placed/a.service a 1 release',
        'c/schedule/M1/a.service a launched 1 release',
        'c/unit/a.service a launched 2',
      ],
    ],
    [
      'stop where the host has handed over',
      async (): Promise<void> => {
        await fixture.remove(fixture.keys.schedule(M1, NAME));
        await put('loaded');
      },
      ['c/placed/a.service a 1', 'c/unit/a.service a loaded 2'],
    ],
  ] as const)('%s of a placed unit writes what DESIGN §2 says', async ([, act, then]) => {
    await placed();
    await act();
    expect(await stored()).toEqual(then);
  });

  it.for([
    [
      'unload',
      async (): Promise<void> => void (await put('inactive')),
      ['c/global/a.service a inactive 2 release', 'c/unit/a.service a inactive 2'],
    ],
    [
      'stop',
      async (): Promise<void> => void (await put('loaded')),
      ['c/global/a.service a loaded 2', 'c/unit/a.service a loaded 2'],
    ],
    [
      'replace by one that is not',
      async (): Promise<void> => void (await put(undefined, file('b'))),
      ['c/global/a.service a launched 1 release', 'c/unit/a.service b launched 2'],
    ],
    [
      'destroy',
      async (): Promise<void> => void (await destroyUnit(registry, NAME, forever)),
      ['c/global/a.service a launched 1 release'],
    ],
    [
      'destroy and create anew',
      async (): Promise<void> => {
        await destroyUnit(registry, NAME, forever);
        await put('launched', file('a', 'a', GLOBAL));
      },
      ['c/global/a.service a launched 2', 'c/unit/a.service a launched 2'],
    ],
  ] as const)('%s of a global unit writes what DESIGN §2 says', async ([, act, then]) => {
    await put('launched', file('a', 'a', GLOBAL));
    await act();
    expect(await stored()).toEqual(then);
  });

  it('putUnit with other bytes of the same hash restarts nothing', async () => {
    await placed();
    const { outcome, unit } = await put(undefined, file('a', 'a with a comment'));
    expect([outcome, unit.generation, unit.sha256]).toEqual([
      'replaced',
      1,
      sha256Of('a with a comment'),
    ]);
    const copy = await fixture.read('assignment', fixture.keys.schedule(M1, NAME));
    expect([copy?.generation, copy?.sha256]).toEqual([1, unit.sha256]);
  });

  it('destroyUnit deletes pending/ too', async () => {
    await put('launched', file('a'));
    await fixture.put('pending', fixture.keys.pending(NAME), {
      name: NAME,
      generation: 1,
      counts: {},
      machines: [],
    });
    await destroyUnit(registry, NAME, forever);
    expect(await stored()).toEqual([]);
  });

  it.for([
    ['', 'UNIT_CONFLICT'],
    ['f'.repeat(40), 'UNIT_CONFLICT'],
    ['a'.repeat(40), undefined],
  ] as const)('putUnit with ifHash %j of a unit of hash a… answers %s', async ([ifHash, code]) => {
    await put(undefined, file('a'));
    const failure = await put('loaded', undefined, ifHash).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure === undefined ? undefined : isFleetError(failure) && failure.code).toBe(code);
  });

  it('putUnit answers REGISTRY_BUSY after five lost compares', async () => {
    await put(undefined, file('a'));
    let tries = 0;
    const inner = fixture.kv;
    const rival: Registry['kv'] = new LossyKv(inner, () => 'done');
    const txn = rival.txn.bind(rival);
    rival.txn = async (given, signal) => {
      if (given.then.some(({ kind }) => kind === 'put')) {
        tries += 1;
        const unit = await fixture.read('unit', fixture.keys.unit(NAME));
        if (unit !== undefined)
          await fixture.put('unit', fixture.keys.unit(NAME), { ...unit, requestId: `${tries}` });
      }
      return txn(given, signal);
    };
    registry = { ...registry, kv: rival };
    await expect(put('loaded')).rejects.toMatchObject({ code: 'REGISTRY_BUSY' });
    expect(tries).toBe(5);
  });

  it.for([
    ['create', 'lost-answer', () => put('launched', file('a')), ['c/unit/a.service a launched 1']],
    ['create', 'lost-request', () => put('launched', file('a')), ['c/unit/a.service a launched 1']],
  ] as const)('%s with a %s is done once', async ([, fate, act, then]) => {
    const fates: Fate[] = [fate];
    registry = { ...registry, kv: new LossyKv(fixture.kv, () => fates.shift() ?? 'done') };
    expect((await act()).outcome).toBe('created');
    expect(await stored()).toEqual(then);
  });

  it('destroyUnit recognises its own first try', async () => {
    await put('launched', file('a'));
    const fates: Fate[] = ['lost-answer'];
    registry = { ...registry, kv: new LossyKv(fixture.kv, () => fates.shift() ?? 'done') };
    await destroyUnit(registry, NAME, forever);
    expect(await stored()).toEqual([]);
  });
});
