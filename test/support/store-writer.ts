// A process that writes to an embedded store as fast as it can, until it is killed. Each acknowledged write is a line on stdout before
// the next one begins: `writer number revision`. Usage: store-writer.ts FILE
import { writeSync } from 'node:fs';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';

const WRITERS = 8;
const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: store-writer.ts FILE');

const { signal } = new AbortController();
const kv = openEmbeddedStore({ path, clock: systemClock });
writeSync(1, 'open\n');

async function writeForEver(writer: number): Promise<void> {
  const found = await kv.txn({ then: [{ kind: 'get', key: `/a/${writer}` }] }, signal);
  for (let n = Number(found.gets[0]?.value ?? 0) + 1; ; n += 1) {
    const value = String(n);
    const { revision } = await kv.txn(
      {
        then: [
          { kind: 'put', key: `/a/${writer}`, value },
          { kind: 'put', key: `/b/${writer}`, value },
          n % 2 === 0
            ? { kind: 'put', key: `/c/${writer}`, value }
            : { kind: 'delete', key: `/c/${writer}` },
        ],
      },
      signal,
    );
    writeSync(1, `${writer} ${n} ${revision}\n`);
  }
}

await Promise.all(Array.from({ length: WRITERS }, (_, writer) => writeForEver(writer)));
