// Kills a process that writes to an embedded store, again and again, and looks at what is there afterwards.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';

const writerPath = new URL('store-writer.ts', import.meta.url).pathname;
const { signal } = new AbortController();

/** Kills a writer on the file `kills` times, after up to `maxMs` of writing; answers how many writes were acknowledged in all. */
export async function killWriters(path: string, kills: number, maxMs: number): Promise<number> {
  let acknowledged = 0;
  let revision = 0n;
  for (let n = 0; n < kills; n += 1) {
    const lines = await writeUntilKilled(path, Math.random() * maxMs);
    acknowledged += lines.length;
    for (const line of lines) if (line.revision > revision) revision = line.revision;
    revision = await checkStore(path, lines, revision);
  }
  return acknowledged;
}

interface Acknowledged {
  readonly writer: string;
  readonly number: number;
  readonly revision: bigint;
}

async function writeUntilKilled(path: string, ms: number): Promise<Acknowledged[]> {
  const child = spawn(process.execPath, [writerPath, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await once(child.stdout, 'data');
    await delay(ms);
    child.kill('SIGKILL');
    // 'close' comes after all that it wrote before it died was read.
    await once(child, 'close');
    expect(child.signalCode, 'the writer ended by itself').toBe('SIGKILL');
    return text
      .slice(0, text.lastIndexOf('\n'))
      .split('\n')
      .slice(1)
      .map((line) => {
        const [writer, number, revision] = line.split(' ');
        return { writer: writer!, number: Number(number), revision: BigInt(revision!) };
      });
  } finally {
    child.kill('SIGKILL');
  }
}

/** Every acknowledged write is there, every transaction is whole, and the revision has not gone back. Answers the revision. */
async function checkStore(
  path: string,
  lines: readonly Acknowledged[],
  seen: bigint,
): Promise<bigint> {
  const kv = openEmbeddedStore({ path, clock: systemClock });
  try {
    const { kvs, revision } = await kv.range('/', {}, signal);
    expect(revision).toBeGreaterThanOrEqual(seen);
    const found = new Map(kvs.map(({ key, value }) => [key, Number(value)]));
    for (const { writer, number } of lines)
      expect(found.get(`/a/${writer}`)).toBeGreaterThanOrEqual(number);
    for (const [key, number] of found) {
      if (!key.startsWith('/a/')) continue;
      const writer = key.slice(3);
      expect(found.get(`/b/${writer}`)).toBe(number);
      expect(found.get(`/c/${writer}`)).toBe(number % 2 === 0 ? number : undefined);
    }
    return revision;
  } finally {
    await kv.close();
  }
}
