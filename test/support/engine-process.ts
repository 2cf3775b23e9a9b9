// An engine as a process of its own, for tests that stop it: node engine-process.ts ENDPOINT NAME. Prints what it logs.
import { systemClock } from '../../src/runtime/clock.ts';
import { openEtcdStore } from '../../src/store/etcd/open.ts';
import { collectingLog, EngineCluster } from './engine-cluster.ts';

const [endpoint = '', name = 'm1'] = process.argv.slice(2);
const kv = await openEtcdStore({
  endpoints: [endpoint],
  requestTimeoutMs: 1000,
  clock: systemClock,
  random: Math.random,
});
const lines: string[] = [];
lines.push = (...items: string[]): number => {
  for (const item of items) process.stdout.write(`${item}\n`);
  return 0;
};
new EngineCluster(kv, systemClock).runEngine(name, {
  log: collectingLog(lines),
  random: Math.random,
});
