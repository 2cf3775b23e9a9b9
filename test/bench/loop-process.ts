// The process that `loop` measures: JSON on stdout.
import { measureLoop } from './loop.ts';

process.stdout.write(JSON.stringify(await measureLoop()));
