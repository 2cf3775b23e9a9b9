// The process that `loop` measures: JSON on stdout.
import { keepHeapSmall } from '../../agent/heap.ts';
import { measureLoop } from './loop.ts';

keepHeapSmall();
process.stdout.write(JSON.stringify(await measureLoop()));
