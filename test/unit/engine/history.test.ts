import { afterEach, beforeEach, expect, it } from 'vitest';
import { forgetHistory, type HistoryDeps } from '../../../src/engine/history.ts';
import type { Clock } from '../../../src/runtime/clock.ts';
import { isFleetError } from '../../../src/model/errors.ts';
import { ApiFixture, forever } from '../../support/api.ts';
import { handClock, type HandClock } from '../../support/hand-clock.ts';

const MINUTE = 60_000;
let fixture: ApiFixture;
let clock: HandClock;
beforeEach(() => {
  fixture = new ApiFixture();
  clock = handClock();
});
afterEach(() => fixture.stop());

/** What a leader has; each its own term. */
async function leader(own: Clock = clock): Promise<HistoryDeps> {
  const { kv, keys } = fixture;
  await kv.txn({ then: [{ kind: 'delete', key: keys.leader }] }, forever);
  const put = { kind: 'put', key: keys.leader, value: 'x' } as const;
  const { revision } = await kv.txn({ then: [put] }, forever);
  const fence = { key: keys.leader, createRevision: revision };
  return { kv, keys, clock: own, fence, unreadable: () => undefined };
}

const textFile = (): string => fixture.keys.file('a'.repeat(64));
const has = async (key: string): Promise<boolean> =>
  (await fixture.kv.txn({ then: [{ kind: 'get', key }] }, forever)).gets[0] !== undefined;

it('forgetHistory compacts and collects however often the leader changes', async () => {
  const { kv } = fixture;
  await fixture.putRaw(textFile(), 'text');
  const first = (await kv.range(textFile(), {}, forever)).revision;
  for (let minutes = 0; minutes < 12; minutes += 1) {
    await forgetHistory(await leader(), forever); // none of them leads for two looks
    expect([minutes, await has(textFile())]).toEqual([minutes, minutes < 5]);
    await clock.pass(MINUTE);
  }
  const gone = kv.range(textFile(), { revision: first }, forever);
  await expect(gone).rejects.toSatisfy((error) => isFleetError(error, 'STORE_COMPACTED'));
});

it('forgetHistory keeps the history of the last ten minutes', async () => {
  await clock.pass(MINUTE);
  const deps = await leader();
  await fixture.putRaw('/test/x', '1');
  const { revision } = await fixture.kv.range('/test/x', {}, forever);
  for (let looks = 0; looks < 2; looks += 1) {
    expect(await forgetHistory(deps, forever)).toBe(5 * MINUTE);
    await clock.pass(5 * MINUTE);
  }
  expect((await fixture.kv.range('/test/x', { revision }, forever)).kvs.length).toBe(1);
});

it('forgetHistory says when to look again after another leader has', async () => {
  await forgetHistory(await leader(), forever);
  await clock.pass(2 * MINUTE);
  expect(await forgetHistory(await leader(), forever)).toBe(3 * MINUTE);
});

it('forgetHistory writes nothing where another leads', async () => {
  const old = await leader();
  await leader();
  await forgetHistory(old, forever);
  expect(await has(fixture.keys.history)).toBe(false);
});

it('forgetHistory passes over marks of a clock that is ahead', async () => {
  const ahead: Clock = { ...clock, wallNow: () => 1_000 * MINUTE };
  await forgetHistory(await leader(ahead), forever);
  expect(await forgetHistory(await leader(), forever)).toBe(5 * MINUTE);
});
