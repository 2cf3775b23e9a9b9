// One fault of each kind on three real hosts with an etcd member each; test/full has them larger and longer.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultLab, type Fault } from '../../support/fault-lab.ts';
import { record } from '../../support/fault-record.ts';
import {
  cut,
  cutOneWay,
  dbusKilled,
  etcdDown,
  etcdFrozen,
  fleetdKilled,
  fleetdUpgraded,
  leaderKilled,
  overload,
  systemdReexec,
} from '../../support/faults.ts';
import {
  destroyedAtOnce,
  frozenAndCut,
  machineIdTwice,
  rebootedAlone,
} from '../../support/faults-hosts.ts';
import { storeDiskFull, storeRestored } from '../../support/faults-store.ts';
import { noLab } from '../../support/lab.ts';

const faults: readonly Fault[] = [
  etcdDown(6_500),
  etcdFrozen('all', 3_500),
  etcdFrozen('one', 1_500),
  cut(['h3'], 5_000),
  cutOneWay('h1', 'in', 5_000),
  leaderKilled(1, 3_000),
  fleetdKilled(),
  dbusKilled(1),
  systemdReexec(1),
  fleetdUpgraded('9.9.9'),
  machineIdTwice('h1', 'h3', 1_000),
  rebootedAlone('h3', 4_000),
  frozenAndCut(),
  destroyedAtOnce(60),
  overload(2_000),
  storeDiskFull(1_000),
  storeRestored(2_000),
];

describe.skipIf(noLab() !== undefined)('a fault on real hosts', () => {
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
