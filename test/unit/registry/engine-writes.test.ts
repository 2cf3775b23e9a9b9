import { describe, expect, it } from 'vitest';
import type { EngineAction } from '../../../src/reconcile/engine-actions.ts';
import { commit } from '../../../src/registry/commit.ts';
import { encode } from '../../../src/registry/codec.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import { writesOf } from '../../../src/registry/engine-writes.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import {
  cluster,
  line,
  machineId,
  machineRecord,
  planAll,
  unitName,
} from '../../support/cluster.ts';
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

  it('writes nothing that was decided by another unit which has changed since', async () => {
    const kv = openEmbeddedStore({ memory: true, clock: new SimClock() });
    const put = (key: string): Promise<{ revision: bigint }> =>
      kv.txn({ then: [{ kind: 'put', key, value: 'some' }] }, never);
    const fence = { key: keys.leader, createRevision: (await put(keys.leader)).revision };
    const peer = unitName('peer.service');
    const { revision } = await put(keys.unit(peer));
    const left = { name: unit, machine: from, generation: 1, hash: '1'.repeat(40), release: true };
    const release: EngineAction = {
      kind: 'release',
      unit,
      expected: { unit: 0n, placed: 0n, others: [{ unit: peer, revision }] },
      machine: from,
      because: { kind: 'refused', refusal: { kind: 'machine-of', peer, peerOn: undefined } },
      placement: left,
      assignment: { ...left, sha256: '2'.repeat(64), desiredState: 'launched', options: [] },
    };
    const writes = writesOf(keys, [release]);
    await put(keys.unit(peer));
    expect((await commit(kv, fence, writes, never)).lost).toEqual(writes);
    const { revision: now } = await put(keys.unit(peer));
    const expected = { ...release.expected, others: [{ unit: peer, revision: now }] };
    const again = writesOf(keys, [{ ...release, expected }]);
    expect((await commit(kv, fence, again, never)).lost).toEqual([]);
    void kv.close();
  });

  it('moves no follower where its peer is not moved after all', async () => {
    const units = { 'a.service': { on: 'm3' }, 'b.service': { of: ['a.service'] } } as const;
    const machines = { m1: {}, m2: {}, m3: { presence: 'absent' } } as const;
    const { actions } = planAll(cluster({ units, machines }));
    expect(actions.map(line)).toEqual([
      'evict a.service from m3 to m1 (machine-absent)',
      'place b.service on m1 (unplaced)',
    ]);
    const kv = openEmbeddedStore({ memory: true, clock: new SimClock() });
    const put = (key: string): Promise<{ revision: bigint }> =>
      kv.txn({ then: [{ kind: 'put', key, value: 'some' }] }, never);
    const fence = { key: keys.leader, createRevision: (await put(keys.leader)).revision };
    await put(keys.machine(machineId('m3'))); // it is back
    const stored = actions.map((action) => {
      const others = action.expected.others?.map((other) => ({ ...other, revision: 0n }));
      const expected = { unit: 0n, placed: 0n, ...(others === undefined ? {} : { others }) };
      return { ...action, expected };
    });
    const { committed, lost } = await commit(kv, fence, writesOf(keys, stored), never);
    expect([committed, lost.map((write) => write.unit)]).toEqual([[], ['a.service', 'b.service']]);
    void kv.close();
  });
});
