import { suffer } from '../../support/fault-suite.ts';
import { cut, cutOneWay, leaderKilled } from '../../support/faults.ts';
import { frozenAndCut, machineIdTwice, rebootedAlone } from '../../support/faults-hosts.ts';

suffer('hosts and network', [
  cut(['h3'], 5_000),
  cutOneWay('h1', 'in', 5_000),
  leaderKilled(1, 3_000),
  machineIdTwice('h1', 'h3', 1_000),
  rebootedAlone('h3', 4_000),
  frozenAndCut(),
]);
