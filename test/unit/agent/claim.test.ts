// A claim whose other lease nobody knows any more, as one that an earlier fleetd has begun: the other is given a ttl to hear of it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimKey } from '../../../agent/claim.ts';
import { encode } from '../../../src/registry/codec.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import type { Kv, KeyValue, Revision } from '../../../src/store/kv.ts';
import { LeaseKeeper } from '../../../src/store/lease-keeper.ts';
import { machineRecord } from '../../support/cluster.ts';
import { handClock, type HandClock } from '../../support/hand-clock.ts';
import { forever } from '../../support/presences.ts';

const KEY = '/t/machine';
const TTL_SEC = 8;
const machine = { ...machineRecord('m1'), ttlSec: TTL_SEC };

let clock: HandClock;
let kv: Kv;
/** What the claim has answered, once it has. */
let answers: (Revision | undefined)[];

beforeEach(() => {
  clock = handClock();
  kv = openEmbeddedStore({ memory: true, clock });
  answers = [];
});
afterEach(async () => {
  await kv.close();
});

const put = async (): Promise<void> =>
  void (await kv.txn(
    { then: [{ kind: 'put', key: KEY, value: encode('machine', machine) }] },
    forever,
  ));

const stored = async (): Promise<KeyValue> => {
  const { gets } = await kv.txn({ then: [{ kind: 'get', key: KEY }] }, forever);
  return gets[0]!;
};

/** Claims the key of a machine whose lease is not known. */
async function claim(): Promise<void> {
  await put();
  const found = await stored();
  const keeper = new LeaseKeeper({ kv, clock, ttlSec: TTL_SEC, random: () => 0.5 });
  await keeper.acquire(forever);
  const deps = { kv, clock, keeper, nonce: 'mine' };
  const answer = claimKey(deps, { found, machine, lease: undefined }, forever);
  void answer.then((revision) => answers.push(revision));
  await clock.pass(0);
}

describe('a claim on a key whose lease is not known', () => {
  it('is won when the ttl has passed, and not before', async () => {
    await claim();
    await clock.pass(TTL_SEC * 1000 - 1);
    expect(answers).toEqual([]);
    await clock.pass(1);
    expect(answers).toEqual([(await stored()).modRevision]);
  });

  it('is lost where the other takes the key back within the ttl', async () => {
    await claim();
    await clock.pass(TTL_SEC * 500);
    await put();
    await clock.pass(TTL_SEC * 500);
    expect(answers).toEqual([undefined]);
  });
});
