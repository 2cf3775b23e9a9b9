// Runs chunks (bundle.ts): functions of (exports, require, module), each loaded when it is first asked for.
import { Script } from 'node:vm';

/** A chunk's text, with V8's code cache of it where there is one. */
export interface ChunkCode {
  readonly text: string;
  readonly cachedData?: Buffer;
}

type Load = (id: string) => unknown;
type Chunk = (exports: object, require: Load, module: { exports: object }) => void;

/** Answers what loads a chunk by its file's name; `compiled` hears of each that was. */
export function chunkLoader(
  read: (name: string) => ChunkCode,
  compiled?: (name: string, script: Script) => void,
): (name: string) => object {
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
    const { text, cachedData } = read(name);
    const script = new Script(text, {
      filename: `fleet:${name}`,
      ...(cachedData === undefined ? {} : { cachedData }),
    });
    compiled?.(name, script);
    (script.runInThisContext() as Chunk)(module.exports, load, module);
    return module.exports;
  }

  return loadChunk;
}
