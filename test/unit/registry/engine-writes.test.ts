import { describe, expect, it } from 'vitest';
import type { EngineAction } from '../../../src/reconcile/engine-actions.ts';
import { commit } from '../../../src/registry/commit.ts';
import { encode } from '../../../src/registry/codec.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import { writesOf } from '../../../src/registry/engine-writes.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { machineId, machineRecord, unitName } from '../../support/cluster.ts';
import { SimClock } from '../../support/sim-clock.ts';

const never = new AbortController().signal;
const keys = keysUnder('/t/');
const unit = unitName('a.service');
const from = machineId('m1');

const unplace: EngineAction = {
  kind: 'unplace',
  unit,
  expected: { unit: 0n, placed: 0n },
  from,
  because: 'machine-absent',
  left: undefined,
};

describe('writesOf', () => {
  it.for([
    { name: 'takes nothing from a machine that is back', isBack: true, lost: [unit] },
    { name: 'takes a unit from a machine that is absent', isBack: false, lost: [] },
  ])('$name', async ({ isBack, lost }) => {
    const kv = openEmbeddedStore({ memory: true, clock: new SimClock() });
    const { revision } = await kv.txn(
      { then: [{ kind: 'put', key: keys.leader, value: 'me' }] },
      never,
    );
    if (isBack) {
      const value = encode('machine', machineRecord('m1'));
      await kv.txn({ then: [{ kind: 'put', key: keys.machine(from), value }] }, never);
    }
    const fence = { key: keys.leader, createRevision: revision };
    const result = await commit(kv, fence, writesOf(keys, [unplace]), never);
    expect(result.lost.map((write) => write.unit)).toEqual(lost);
    void kv.close();
  });
});
