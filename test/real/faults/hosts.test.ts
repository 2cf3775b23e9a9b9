import { suffer } from '../../support/fault-suite.ts';
import { cut, cutOneWay, leaderKilled } from '../../support/faults.ts';
import { machineIdTwice, rebootedAlone } from '../../support/faults-hosts.ts';

// A fleetd that is frozen: test/real/cut-off.test.ts. All of them: test/full/faults.test.ts.
suffer('hosts and network', [
  cut(['h3'], 5_000),
  cutOneWay('h1', 'in', 5_000),
  leaderKilled(1, 3_000),
  machineIdTwice('h1', 'h3', 1_000),
  rebootedAlone('h3', 4_000),
]);
