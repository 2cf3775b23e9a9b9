import { suffer } from '../../support/fault-suite.ts';
import { etcdDown, etcdFrozen } from '../../support/faults.ts';
import { storeDiskFull, storeRestored } from '../../support/faults-store.ts';

suffer('the store', [
  etcdDown(6_500),
  etcdFrozen('all', 3_500),
  storeDiskFull(1_000),
  storeRestored(2_000),
]);
