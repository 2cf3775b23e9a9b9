import { suffer } from '../../support/fault-suite.ts';
import {
  dbusKilled,
  fleetdKilled,
  fleetdUpgraded,
  overload,
  systemdReexec,
} from '../../support/faults.ts';
import { destroyedAtOnce } from '../../support/faults-hosts.ts';

suffer('processes and load', [
  fleetdKilled(),
  dbusKilled(1),
  systemdReexec(1),
  fleetdUpgraded('9.9.9'),
  destroyedAtOnce(60),
  overload(2_000),
]);
