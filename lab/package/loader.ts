// The first code of the packaged executable: which program it was called as, and that program's chunks, which are assets of the executable.
// Invariant: a chunk is compiled when it is first asked for, from its code cache; nothing but the executable itself is read.
import { getRawAsset } from 'node:sea';
import { chunkLoader } from './chunk-loader.ts';

const PROGRAMS: readonly string[] = ['fleetd', 'fleetctl'];

const loadChunk = chunkLoader((name) => ({
  // Chunks are ASCII (bundle.ts), so this copies and does not decode.
  text: Buffer.from(getRawAsset(name)).toString('latin1'),
  cachedData: Buffer.from(getRawAsset(`${name}.cache`)),
}));

const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
if (PROGRAMS.includes(called)) loadChunk(`${called}.js`);
else {
  process.stderr.write(`fleet: called as '${called}': its name has to be fleetd or fleetctl\n`);
  process.exitCode = 2;
}
