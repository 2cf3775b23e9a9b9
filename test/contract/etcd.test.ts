// The etcd adapter is held to the contract of Kv, on one member and on three.
import { describe } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEtcdStore } from '../../src/store/etcd/open.ts';
import { etcdMissing, startEtcd } from '../support/etcd.ts';
import { describeKvContract, type Subject } from './kv-contract.ts';

/** One cluster for each of the contract's blocks would take longer than the tests: each block has a prefix of its own in one. */
async function etcdSubject(members: 1 | 3): Promise<Subject> {
  const cluster = await startEtcd({ members });
  const open = () =>
    openEtcdStore({
      endpoints: cluster.endpoints,
      requestTimeoutMs: 2000,
      clock: systemClock,
      random: Math.random,
    });
  const kv = await open();
  const others: Awaited<ReturnType<typeof open>>[] = [];
  return {
    kv,
    async second() {
      const other = await open();
      others.push(other);
      return other;
    },
    async close() {
      await Promise.all([kv, ...others].map((each) => each.close()));
      await cluster.stop();
    },
  };
}

describe.skipIf(etcdMissing !== undefined)(`etcd${etcdMissing ?? ''}`, () => {
  describeKvContract('etcd of one member', () => etcdSubject(1));
  describeKvContract('etcd of three members', () => etcdSubject(3));
});
