// Run in a Node of its own: V8's code cache of every chunk in a directory.
// usage: node code-cache.ts DIRECTORY
// Invariant: by the very Node that goes into the executable; V8 refuses another's cache.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from 'node:vm';

const [directory = ''] = process.argv.slice(2);
for (const name of readdirSync(directory).filter((file) => file.endsWith('.js'))) {
  const script = new Script(readFileSync(join(directory, name), 'latin1'), {
    filename: `fleet:${name}`,
  });
  writeFileSync(join(directory, `${name}.cache`), script.createCachedData());
}
