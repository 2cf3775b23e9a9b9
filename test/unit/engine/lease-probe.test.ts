// Who is called silent: never a machine that renews every third of its ttl, always one that died with another.
import { describe, expect, it } from 'vitest';
import { isSilent, probeLeases } from '../../../src/engine/lease-probe.ts';
import { PROBED_MACHINES_MAX } from '../../../src/model/limits.ts';
import { openEmbeddedStore } from '../../../src/store/embedded/open.ts';
import { machineId } from '../../support/cluster.ts';
import { FaultyKv, unavailable } from '../../support/faulty-kv.ts';
import { SimClock } from '../../support/sim-clock.ts';

const never = new AbortController().signal;

describe('isSilent', () => {
  it.for([2, 3, 5, 10, 30, 60])('tells the living from the dead with a ttl of %i s', (ttlSec) => {
    // As the store answers: whole seconds, rounded down.
    const tenths = (from: number, to: number): readonly number[] =>
      Array.from({ length: Math.floor((to - from) * 10) + 1 }, (_, n) => Math.floor(from + n / 10));
    // Living: renewed up to a third of the ttl ago, and as much jitter as a twentieth of it.
    for (const left of tenths((2 / 3 - 1 / 20) * ttlSec, ttlSec))
      expect(isSilent(left, ttlSec), `${left} s left`).toBe(false);
    // Dead as long as one that has vanished just now: renewed at most a third of the ttl later than that.
    for (const left of tenths(0, ttlSec / 3 - 0.1))
      expect(isSilent(left, ttlSec), `${left} s left`).toBe(true);
  });
});

describe('probeLeases', () => {
  it('asks no more than so many, spread over all, and takes a lease that is gone for silent', async () => {
    const clock = new SimClock();
    const kv = openEmbeddedStore({ memory: true, clock });
    const machines = await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => ({
        id: machineId(`m${n}`),
        lease: n < 500 ? '1' : await kv.grantLease(30, never),
        ttlSec: 30,
      })),
    );
    const { asked, silent } = await probeLeases(kv, machines, never);
    expect(asked).toBe(PROBED_MACHINES_MAX);
    expect(silent).toHaveLength(PROBED_MACHINES_MAX / 2);
    await kv.close();
  });

  it('calls nobody silent because the store does not answer', async () => {
    const clock = new SimClock();
    const kv = new FaultyKv(openEmbeddedStore({ memory: true, clock }), clock);
    const lease = await kv.grantLease(30, never);
    kv.faults.fails = unavailable();
    const machine = { id: machineId('m1'), lease, ttlSec: 30 };
    await expect(probeLeases(kv, [machine], never)).rejects.toThrow('does not answer');
    await kv.close();
  });
});
