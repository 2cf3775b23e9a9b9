import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../../src/registry/codec.ts';
import { raiseToken, takeToken, type AskedBy } from '../../../src/registry/fence.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv } from '../../../src/store/kv.ts';

const { signal } = new AbortController();
const keys = keysUnder('/t/');
let kv: Kv;
let registry: Registry;

beforeEach(() => {
  kv = openEmbeddedStore({ memory: true, clock: systemClock });
  registry = { kv, keys, unreadable: () => undefined };
});
afterEach(() => kv.close());

async function asked(key: string): Promise<AskedBy> {
  const { revision } = await kv.txn({ then: [{ kind: 'put', key, value: 'asked' }] }, signal);
  return { key, revision };
}
const take = async (least: number, ...starts: AskedBy[]): Promise<[number, string[]]> => {
  const { token, changed } = await takeToken(registry, { starts, least }, signal);
  return [token, [...changed]];
};

describe('takeToken', () => {
  it('answers a greater token each time, and at least one more than it is given', async () => {
    const a = await asked('a');
    expect(await take(1, a)).toEqual([2, []]);
    expect(await take(1, a, await asked('b'))).toEqual([3, []]);
    expect(await take(40, a)).toEqual([41, []]);
    expect(await take(0, a)).toEqual([42, []]);
  });

  it('gives none to what is not asked for any more, and the others theirs', async () => {
    const a = await asked('a');
    const b = await asked('b');
    await asked('a');
    expect(await take(0, a, b)).toEqual([1, ['a']]);
    await kv.txn({ then: [{ kind: 'delete', key: 'b' }] }, signal);
    expect((await take(0, b))[1]).toEqual(['b']);
    expect((await take(0, await asked('c')))[0]).toBe(2);
  });

  it('gives many hosts that ask at once different tokens', async () => {
    const a = await asked('a');
    const all = await Promise.all([take(0, a), take(0, a), take(0, a), take(0, a)]);
    expect(all.map(([token]) => token).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4]);
  });

  it('leaves alone a record that it cannot read', async () => {
    const value = encode('fence', { token: 7 }).replace('"v":1', '"v":9');
    await kv.txn({ then: [{ kind: 'put', key: keys.fence, value }] }, signal);
    await expect(take(0, await asked('a'))).rejects.toMatchObject({
      code: 'REGISTRY_RECORD_INVALID',
    });
  });
});

describe('raiseToken', () => {
  it('raises what is lower, and writes nothing where it is not', async () => {
    await raiseToken(registry, 5, signal);
    const { revision } = await kv.range('/t/', {}, signal);
    await raiseToken(registry, 4, signal);
    expect((await kv.range('/t/', {}, signal)).revision).toBe(revision);
    expect((await take(0, await asked('a')))[0]).toBe(6);
  });
});
