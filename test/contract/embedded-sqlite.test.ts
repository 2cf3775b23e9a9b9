import { join } from 'node:path';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import { tempDir } from '../support/temp-dir.ts';
import { describeKvContract } from './kv-contract.ts';

const directory = tempDir();
let stores = 0;

describeKvContract('embedded, on SQLite', async () => {
  stores += 1;
  const kv = openEmbeddedStore({ path: join(directory, `${stores}.db`), clock: systemClock });
  return { kv, second: async () => kv, close: () => kv.close() };
});
