// A Node that does nothing, beside the process that `loop` measures: how long the machine gave an event loop no turn, whatever was in it.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const delays = monitorEventLoopDelay({ resolution: Number(process.argv[2]) });
delays.enable();
process.once('message', () => {
  delays.disable();
  process.send?.(delays.max / 1e6, undefined, undefined, () => process.disconnect?.());
});
