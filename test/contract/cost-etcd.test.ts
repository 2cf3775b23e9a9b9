import { describe } from 'vitest';
import { etcdMissing, startEtcd } from '../support/etcd.ts';
import { openStore } from '../support/etcd-store.ts';
import { costSuite } from './cost.ts';

describe.skipIf(etcdMissing !== undefined)(`on real etcd ${etcdMissing ?? ''}`, () => {
  costSuite('etcd', async () => {
    const etcd = await startEtcd();
    const kv = await openStore(etcd.endpoints);
    return Object.assign(kv, {
      [Symbol.asyncDispose]: async () => {
        await kv.close();
        await etcd.stop();
      },
    });
  });
});
