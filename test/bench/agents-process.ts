// Some of the hosts of `agents`, in a process of their own. usage: node agents-process.ts SHARE, a JSON text
// Says on stdout, as JSON, what it takes once all have registered, and ends with its stdin.
import { once } from 'node:events';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Kv } from '../../src/store/kv.ts';
import { machineId } from '../support/cluster.ts';
import { openStore } from '../support/etcd-store.ts';
import { eventually } from '../support/eventually.ts';
import { startMember, type Member } from '../support/fleet-member.ts';
import { AGENTS_PREFIX, type Share, type ShareReady } from './agents.ts';

const TTL_SEC = 60;

const share = JSON.parse(process.argv[2] ?? '') as Share;
const keys = keysUnder(AGENTS_PREFIX);
globalThis.gc?.();
const before = process.memoryUsage().rss;
const stores: (Kv & AsyncDisposable)[] = [];
for (let i = 0; i < share.count; i += share.sharing)
  stores.push(await openStore(share.endpoints, { requestTimeoutMs: 5_000 }));
const members: Member[] = [];
let next = 0;
await Promise.all(Array.from({ length: share.starters }, starter));
globalThis.gc?.();
const ready: ShareReady = { bytes: process.memoryUsage().rss - before };
process.stdout.write(`${JSON.stringify(ready)}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await Promise.all(members.map((member) => member.kill()));
await Promise.all(stores.map((kv) => kv.close()));

async function starter(): Promise<void> {
  while (next < share.count) {
    const i = next;
    next += 1;
    const kv = stores[Math.floor(i / share.sharing)]!;
    const member = await startMember({
      kv,
      keys,
      clock: systemClock,
      id: machineId(`m${share.first + i}`),
      ttlSec: TTL_SEC,
      ...(share.leads ? { engine: { kv } } : {}),
    });
    members.push(member);
    await eventually(() => member.presence.state === 'registered', {
      timeoutMs: 120_000,
      everyMs: 50,
    });
  }
}
