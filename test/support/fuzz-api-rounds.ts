// Many hostile requests in rounds, with a look at what is left in memory after each: what only the heap's growth is goes with a collection.
import { growthOf, sample, type Sample } from '../soak/measure.ts';
import { ApiFixture } from './api.ts';
import { startEtcd } from './etcd.ts';
import { openStore } from './etcd-store.ts';
import { fuzzApi } from './fuzz-api.ts';

export interface FuzzRounds {
  readonly seed: number;
  /** Requests in all rounds. */
  readonly count: number;
  readonly rounds: number;
  /** On a real etcd instead of the store in memory. */
  readonly isOnEtcd: boolean;
}

/** Prints a line a round and a verdict; answers the exit status. */
export async function fuzzApiInRounds(options: FuzzRounds): Promise<number> {
  const { seed, count, rounds, isOnEtcd } = options;
  const etcd = isOnEtcd ? await startEtcd() : undefined;
  const kv = etcd && (await openStore(etcd.endpoints, { requestTimeoutMs: 5_000 }));
  const fixture = await new ApiFixture(kv).start({ tokenLimit: 2 });
  console.log(`fuzz: api, seed ${seed}, ${count} requests in ${rounds} rounds`);
  const samples: Sample[] = [await sample()];
  const statuses: Record<string, number> = {};
  const broken: string[] = [];
  const began = performance.now();
  try {
    for (let round = 0; round < rounds && broken.length === 0; round += 1) {
      const share = Math.ceil(count / rounds);
      const result = await fuzzApi(fixture, { seed: seed + round, count: share });
      broken.push(...result.broken);
      for (const [status, times] of Object.entries(result.statuses))
        statuses[status] = (statuses[status] ?? 0) + times;
      fixture.logged.length = 0; // the fixture's own memory of it all
      const now = await sample();
      samples.push(now);
      console.log(
        `round ${round + 1}: ${share} requests, slowest ${result.slowestMs.toFixed(0)} ms; after a collection: heap ${now.heapMb.toFixed(1)} MB, external ${now.externalMb.toFixed(1)} MB, rss ${now.rssMb.toFixed(0)} MB, ${now.descriptors} descriptors`,
      );
    }
  } finally {
    await fixture.stop();
    await etcd?.stop();
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(`fuzz: ${JSON.stringify(statuses)}`);
  for (const fault of broken) console.log(`fuzz: ${fault}`);
  // The first is of before anything was loaded.
  const growth = growthOf(samples.slice(1)).filter(({ isFlat }) => !isFlat);
  for (const { figure, before, after } of growth)
    console.log(`fuzz: ${figure} grows from ${before.toFixed(1)} to ${after.toFixed(1)}`);
  const isGood = broken.length === 0 && growth.length === 0;
  console.log(
    `fuzz: ${isGood ? 'no law broken' : 'FAILED'} in ${seconds.toFixed(0)} s (seed ${seed})`,
  );
  return isGood ? 0 : 1;
}
