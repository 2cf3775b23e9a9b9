// Every fault on five real hosts with 200 units and three etcd members: nothing that is well is stopped, and nothing acknowledged is lost.
// FAULTS_ETCD_DOWN=600: also ten minutes without etcd, which is for doing by hand.
// With FAULTS_RECORD=docs/reliability.json what was measured goes there; `node test/support/fault-table.ts` writes it into docs/reliability.md.
import type { Fault } from '../support/fault-lab.ts';
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
import {
  destroyedAtOnce,
  frozenAndCut,
  machineIdTwice,
  rebootedAlone,
} from '../support/faults-hosts.ts';
import { storeDiskFull, storeRestored } from '../support/faults-store.ts';

const TTL_MS = 3_000;

/** In the order of their danger for the promises. */
const faults: readonly Fault[] = [
  storeRestored(60_000),
  etcdDown(10 * TTL_MS),
  etcdFrozen('one', 10 * TTL_MS),
  etcdFrozen('all', 10 * TTL_MS),
  cut(['h5'], 1_500),
  cut(['h4'], 10_000),
  cut(['h1', 'h5'], 10_000),
  cut(['h1', 'h2'], 10_000),
  cutOneWay('h3', 'in', 10_000),
  cutOneWay('h5', 'out', 10_000),
  leaderKilled(12, 10_000),
  fleetdKilled(),
  fleetdUpgraded('9.9.9'),
  dbusKilled(5),
  systemdReexec(5),
  storeDiskFull(10_000),
  machineIdTwice('h4', 'h5', 10_000),
  rebootedAlone('h5', 8_000),
  frozenAndCut(),
  destroyedAtOnce(1_000),
  overload(30_000),
  ...longDown(process.env['FAULTS_ETCD_DOWN']),
];

function longDown(seconds: string | undefined): readonly Fault[] {
  return seconds === undefined ? [] : [etcdDown(Number(seconds) * 1_000)];
}

suffer('every kind', faults, { hosts: 5, members: 3, units: 200, ttlSec: TTL_MS / 1000 });
