// Faults as tests, one after the other on a lab of their own.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab, type Fault, type FaultLabOptions } from './fault-lab.ts';
import { record } from './fault-record.ts';
import { noLab } from './lab.ts';

/** What `npm test` has: three hosts with an etcd member each. test/full has more. */
const SMALL: FaultLabOptions = { hosts: 3, members: 3, units: 30, ttlSec: 3 };

export function suffer(kind: string, faults: readonly Fault[], options = SMALL): void {
  describe.skipIf(noLab() !== undefined)(`a fault of ${kind} on real hosts`, () => {
    let on: FaultLab;
    beforeAll(async () => {
      on = await FaultLab.start(options);
    });
    afterAll(async () => {
      await on?.end();
    });

    it.for(faults)('$name: nothing that is well is stopped', async (fault) => {
      const measured = await on.suffer(fault).catch((error: unknown) => {
        process.stderr.write(`  ${fault.name}: ${String(error)}\n`); // vitest says it only when all have suffered
        throw error;
      });
      record(measured);
      expect(measured.kept + measured.moved).toBeGreaterThan(0); // a leader that dies often enough takes every host along
    });
  });
}
