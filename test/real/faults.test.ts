// One fault of each kind, one after the other, on the same three hosts. All of them, larger: test/full/faults.test.ts.
// A fleetd that is frozen: test/real/cut-off.test.ts.
import { suffer } from '../support/fault-suite.ts';
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
} from '../support/faults.ts';
import { destroyedAtOnce, machineIdTwice, rebootedAlone } from '../support/faults-hosts.ts';
import { storeDiskFull, storeRestored } from '../support/faults-store.ts';

suffer('each kind', [
  etcdDown(6_500),
  etcdFrozen('all', 3_500),
  storeDiskFull(1_000),
  storeRestored(2_000),
  cut(['h3'], 5_000),
  cutOneWay('h1', 'in', 5_000),
  leaderKilled(1, 3_000),
  machineIdTwice('h1', 'h3', 1_000),
  rebootedAlone('h3', 4_000),
  fleetdKilled(),
  dbusKilled(1),
  systemdReexec(1),
  fleetdUpgraded('9.9.9'),
  destroyedAtOnce(60),
  overload(2_000),
]);
