// Hand-overs survive what runs them: a loop that is ended in the midst of one leaves it to the next.
import { expect, it } from 'vitest';
import { HandOvers } from '../../../agent/hand-overs.ts';
import { keysUnder } from '../../../src/registry/keys.ts';
import { HostReport } from '../../../src/registry/report.ts';
import { aborted } from '../../../src/runtime/abort.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLog } from '../../../src/runtime/log.ts';
import { MemoryStore } from '../../../src/store/embedded/memory.ts';
import { machineId, unitName } from '../../support/cluster.ts';
import { eventually } from '../../support/eventually.ts';

const never = new AbortController().signal;

it('HandOvers goes on with what a run before it was ended in', async () => {
  const store = new MemoryStore({ clock: systemClock });
  const keys = keysUnder('/f/');
  const [machine, name] = [machineId('m1'), unitName('a.service')];
  const key = keys.schedule(machine, name);
  const { revision } = await store.txn({ then: [{ kind: 'put', key, value: '{}' }] }, never);
  let asked = 0;
  const silentAtFirst: HostReport = new HostReport(
    new Proxy(store, {
      get: (target, property) => {
        if (property !== 'txn') return Reflect.get(target, property, target) as unknown;
        return async (...args: Parameters<MemoryStore['txn']>) => {
          asked += 1;
          if (asked === 1) await aborted(args[1]);
          args[1].throwIfAborted();
          return await target.txn(...args);
        };
      },
    }),
    keys,
    machine,
  );
  const handOvers = new HandOvers({
    report: silentAtFirst,
    clock: systemClock,
    log: silentLog,
    done: () => undefined,
  });
  const first = new AbortController();
  const ended = handOvers.run(first.signal);
  handOvers.add(name, revision);
  await eventually(() => asked === 1);
  first.abort(new Error('ended'));
  await expect(ended).rejects.toThrow('ended');
  const second = new AbortController();
  const going = handOvers.run(second.signal);
  await eventually(() => handOvers.isIdle);
  expect((await store.range(key, {}, never)).kvs).toEqual([]);
  second.abort(new Error('over'));
  await expect(going).rejects.toThrow('over');
  await store.close();
});
