// The etcd adapter is held to the contract of Kv, on one member and on three.
import { afterAll, describe } from 'vitest';
import { etcdMissing, startEtcd, type EtcdCluster } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { describeKvContract, type MakeSubject } from './kv-contract.ts';
import { twoClients } from './kv/subject.ts';

describe.skipIf(etcdMissing !== undefined).for([1, 3] as const)(
  `etcd ${etcdMissing ?? ''}`,
  (members) => {
    describeKvContract(`etcd of ${members}`, clusterOf(members));
  },
);

/** One cluster for all blocks: each keeps to keys of its own. */
function clusterOf(members: 1 | 3): MakeSubject {
  let started: Promise<EtcdCluster> | undefined;
  afterAll(async () => (await started)?.stop());
  return async () => {
    const { endpoints } = await (started ??= startEtcd({ members }));
    const kv = await openStore(endpoints, { requestTimeoutMs: 2000 });
    // Each client begins with another member.
    const second = await openStore(endpoints.toReversed(), { requestTimeoutMs: 2000 });
    return twoClients(kv, second);
  };
}
