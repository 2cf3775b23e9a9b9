// Run in a Node of its own. usage: node code-cache.ts DIRECTORY [ARGUMENT…]
// V8's code caches of the chunks in a directory: of every one as it is compiled; or, with the arguments of a call of fleetctl, which is
// carried out, of those that it loads, with all functions that it calls.
// Invariant: by the very Node that goes into the executable; V8 refuses another's cache.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { chunkLoader, type ChunkCode } from './chunk-loader.ts';

const [directory = '', ...args] = process.argv.slice(2);

function read(name: string): ChunkCode {
  const file = join(directory, name);
  const text = readFileSync(file, 'latin1');
  return existsSync(`${file}.cache`)
    ? { text, cachedData: readFileSync(`${file}.cache`) }
    : { text };
}

function keep(name: string, script: Script): void {
  writeFileSync(join(directory, `${name}.cache`), script.createCachedData());
}

if (args.length === 0) {
  for (const name of readdirSync(directory).filter((file) => file.endsWith('.js')))
    keep(name, new Script(read(name).text, { filename: `fleet:${name}` }));
} else {
  const scripts = new Map<string, Script>();
  process.argv.splice(1, 2, 'fleetctl');
  process.once('exit', () => scripts.forEach((script, name) => keep(name, script)));
  chunkLoader(read, (name, script) => scripts.set(name, script))('fleetctl.js');
}
