// Faults of one kind as tests, on three real hosts with an etcd member each; test/full has them larger and longer.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab, type Fault } from './fault-lab.ts';
import { record } from './fault-record.ts';
import { noLab } from './lab.ts';

/** Tries them one after the other on a lab of their own. */
export function suffer(kind: string, faults: readonly Fault[]): void {
  describe.skipIf(noLab() !== undefined)(`a fault of ${kind} on real hosts`, () => {
    let on: FaultLab;
    beforeAll(async () => {
      on = await FaultLab.start({ hosts: 3, members: 3, units: 30, ttlSec: 3 });
    });
    afterAll(async () => {
      await on?.end();
    });

    it.for(faults)('$name: nothing that is well is stopped', async (fault) => {
      const measured = await on.suffer(fault);
      record(measured);
      expect(measured.kept).toBeGreaterThan(0);
    });
  });
}
