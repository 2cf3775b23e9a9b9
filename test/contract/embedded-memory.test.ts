import { systemClock } from '../../src/runtime/clock.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import { describeKvContract } from './kv-contract.ts';

describeKvContract('embedded, in memory', async () => {
  const kv = new MemoryStore({ clock: systemClock });
  return { kv, second: async () => kv, close: () => kv.close() };
});
