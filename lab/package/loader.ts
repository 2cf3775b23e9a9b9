// The first code of the packaged executable: which program it was called as, and that program's chunks, which are assets of the executable.
// Invariant: a chunk is compiled when it is first asked for, from its code cache; nothing but the executable itself is read.
import { getRawAsset } from 'node:sea';
import { Script } from 'node:vm';

type Load = (id: string) => unknown;
type Chunk = (exports: object, require: Load, module: { exports: object }) => void;

const PROGRAMS: readonly string[] = ['fleetd', 'fleetctl'];
const loaded = new Map<string, { exports: object }>();

/** What a chunk calls `require`: other chunks, and what Node has built in. */
function load(id: string): unknown {
  if (id.startsWith('./')) return loadChunk(id.slice('./'.length));
  const builtin = process.getBuiltinModule(id);
  if (builtin === undefined)
    throw Object.assign(new Error(`the module '${id}' is not in this executable`), {
      code: 'MODULE_NOT_FOUND', // as Node has it: libraries ask for what they can do without
    });
  return builtin;
}

function loadChunk(name: string): object {
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  loaded.set(name, module);
  // Chunks are ASCII (bundle.ts), so this copies and does not decode.
  const text = Buffer.from(getRawAsset(name)).toString('latin1');
  const cachedData = Buffer.from(getRawAsset(`${name}.cache`));
  const script = new Script(text, { filename: `fleet:${name}`, cachedData });
  (script.runInThisContext() as Chunk)(module.exports, load, module);
  return module.exports;
}

const called = process.argv0.slice(process.argv0.lastIndexOf('/') + 1);
if (PROGRAMS.includes(called)) loadChunk(`${called}.js`);
else {
  process.stderr.write(`fleet: called as '${called}': its name has to be fleetd or fleetctl\n`);
  process.exitCode = 2;
}
