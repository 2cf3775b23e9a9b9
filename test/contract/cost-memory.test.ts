import { systemClock } from '../../src/runtime/clock.ts';
import { MemoryStore } from '../../src/store/embedded/memory.ts';
import { costSuite } from './cost.ts';

costSuite('embedded store', () => {
  const store = new MemoryStore({ clock: systemClock });
  return Promise.resolve(Object.assign(store, { [Symbol.asyncDispose]: () => store.close() }));
});
