// The API that `list` asks, in a process of its own, as fleetd is one. usage: node list-process.ts SOCKET ETCD_ENDPOINT…
// Says on stdout that it listens, and ends with its stdin.
import { once } from 'node:events';
import { keepHeapSmall } from '../../agent/heap.ts';
import { createApi } from '../../src/api/server.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openStore } from '../support/etcd-store.ts';
import { LIST_PREFIX } from './list.ts';

keepHeapSmall();
const [path = '', ...endpoints] = process.argv.slice(2);
const kv = await openStore(endpoints);
const ignore = (): void => undefined;
const log = { info: ignore, warn: ignore, error: ignore };
const keys = keysUnder(LIST_PREFIX);
const api = await createApi({ kv, keys, log, version: '2', tokenLimit: 100, clock: systemClock });
await api.listen({ path });
process.stdout.write('listening\n');
process.stdin.resume();
await once(process.stdin, 'end');
await api.close();
await kv.close();
