// The process that `loop` measures: what it has found goes to the process that began it, its log to stdout as fleetd's does.
import { keepHeapSmall } from '../../agent/heap.ts';
import { measureLoop } from './loop.ts';

keepHeapSmall();
const found = await measureLoop(process.argv.slice(2));
process.send?.(found, undefined, undefined, () => process.disconnect?.());
