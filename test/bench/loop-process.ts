// The process that `loop` measures: what it has found goes to the process that began it, its log to stdout as fleetd's does.
import { once } from 'node:events';
import { keepHeapSmall } from '../../agent/heap.ts';
import { clearWhenQuiet, ownHeap } from '../../agent/quiet-heap.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { measureLoop } from './loop.ts';

keepHeapSmall();
const end = new AbortController();
clearWhenQuiet(ownHeap(), systemClock, end.signal).catch(() => undefined);
const found = await measureLoop(process.argv.slice(2), once(process, 'message'));
end.abort();
process.send?.(found, undefined, undefined, () => process.disconnect?.());
