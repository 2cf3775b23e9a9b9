import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MachineId } from '../../../src/model/machine.ts';
import type { DesiredState, UnitName, UnitOption } from '../../../src/model/unit.ts';
import { collectFiles } from '../../../src/registry/files.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import {
  destroyUnit,
  putUnit,
  type PutAnswer,
  type UnitFile,
} from '../../../src/registry/units.ts';
import { sha256Of } from '../../../src/unitfile/hash.ts';
import { ApiFixture, forever, machineId } from '../../support/api.ts';

const NAME = 'a.service' as UnitName;
const M1: MachineId = machineId(1);
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

describe('collectFiles', () => {
  const files = async () =>
    (await fixture.kv.range(fixture.keys.files, {}, forever)).kvs.map(({ value }) => value).sort();

  const collect = (before: bigint) =>
    collectFiles(
      registry,
      { before, fence: { key: fixture.keys.leader, createRevision: 0n } },
      forever,
    );

  const now = async () => (await fixture.kv.range(fixture.keys.files, {}, forever)).revision;

  it('deletes what nothing names, unless it was put a short while ago', async () => {
    await put('launched', file('a'));
    await fixture.place(NAME, M1);
    const placed = await now();
    await put(undefined, file('b')); // the host's copy names a still
    expect([await collect(await now()), await files()]).toEqual([0, ['a', 'b']]);
    await fixture.place(NAME, M1);
    expect([await collect(placed), await files()]).toEqual([1, ['b']]);
    await destroyUnit(registry, NAME, forever);
    await fixture.remove(fixture.keys.schedule(M1, NAME));
    expect([await collect(placed), await files()]).toEqual([0, ['b']]);
    await put(undefined, file('b')); // named again
    expect([await collect(await now()), await files()]).toEqual([0, ['b']]);
  });

  it('deletes nothing while a record cannot be read', async () => {
    await put(undefined, file('a'));
    await put(undefined, file('b'));
    await fixture.putRaw(fixture.keys.unit('z.service' as UnitName), 'nonsense');
    expect([await collect(await now()), await files()]).toEqual([0, ['a', 'b']]);
  });

  it('deletes nothing once another leads', async () => {
    await put(undefined, file('a'));
    await put(undefined, file('b')); // a is named no more
    const before = await now();
    await fixture.putRaw(fixture.keys.leader, 'another');
    expect([await collect(before), await files()]).toEqual([0, ['a', 'b']]);
    await fixture.remove(fixture.keys.leader);
    expect([await collect(before), await files()]).toEqual([1, ['b']]);
  });
});
