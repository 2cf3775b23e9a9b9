import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { isFleetError } from '../../src/model/errors.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { openEmbeddedStore } from '../../src/store/embedded/open.ts';
import { SimClock } from '../support/sim-clock.ts';
import { tempDir } from '../support/temp-dir.ts';
import { collect, expectCode, keysBelow, line, never, put, read, write } from './kv/subject.ts';

const directory = tempDir();
let files = 0;
const freshPath = (): string => join(directory, `${(files += 1)}.db`);
const open = (path: string, clock = systemClock) => openEmbeddedStore({ path, clock });

/** What opening the file answers, as a FleetError. */
function failure(path: string) {
  try {
    void open(path).close();
  } catch (error) {
    if (isFleetError(error)) return error;
    throw error;
  }
  throw new Error('it opened');
}

describe('the embedded store on SQLite after a restart', () => {
  it('has its data, revisions and history, and watches from an old revision', async () => {
    const path = freshPath();
    const strange = 'ÿ\u{10ffff}😀 nul\0nul\r\n';
    let kv = open(path);
    const from = await write(kv, put('/a', '1'), put('/b', strange));
    await write(kv, { kind: 'delete', key: '/a' }, put('/c', ''));
    const last = await write(kv, put('/b', '3'), put('/nul\0key', '3'));
    await kv.close();

    kv = open(path);
    const { kvs, revision } = await kv.range('/', {}, never);
    expect(revision).toBe(last);
    expect(kvs).toEqual([
      { key: '/b', value: '3', createRevision: from, modRevision: last },
      { key: '/c', value: '', createRevision: from + 1n, modRevision: from + 1n },
      { key: '/nul\0key', value: '3', createRevision: last, modRevision: last },
    ]);
    const old = await kv.range('/', { revision: from }, never);
    expect(old.kvs.map(({ key, value }) => [key, value])).toEqual([
      ['/a', '1'],
      ['/b', strange],
    ]);
    expect(await write(kv, put('/d', '4'))).toBe(last + 1n);
    const batches = await collect(kv, { prefix: '/', from }, (seen) => seen.length === 4);
    expect(batches.map((batch) => line(batch, '/'))).toEqual([
      `${from}: +a=1 +b=${strange}`,
      `${from + 1n}: -a +c=`,
      `${last}: +b=3 +nul\0key=3`,
      `${last + 1n}: +d=4`,
    ]);
    await kv.close();
  });

  it('still refuses what was compacted, and has forgotten it on disk', async () => {
    const path = freshPath();
    let kv = open(path);
    for (let n = 0; n < 50; n += 1) await write(kv, put('/a', String(n)));
    const last = await write(kv, { kind: 'delete', key: '/a' });
    await kv.compact(last, never);
    await kv.close();
    kv = open(path);
    await expectCode(kv.range('/', { revision: last - 1n }, never), 'STORE_COMPACTED');
    expect((await kv.range('/', {}, never)).revision).toBe(last);
    const batches = await collect(kv, { prefix: '/', from: last }, () => true);
    expect(batches.map((batch) => line(batch, '/'))).toEqual([`${last}: -a`]);
    await kv.close();
    const database = new DatabaseSync(path);
    expect(database.prepare('SELECT count(*) AS n FROM writes').get()).toEqual({ n: 1 });
    database.close();
  });

  it('has its leases, with their whole ttl again, and no id comes twice', async () => {
    const path = freshPath();
    const clock = new SimClock();
    let kv = open(path, clock);
    const ended = await kv.grantLease(10, never);
    const lease = await kv.grantLease(10, never);
    await write(kv, put('/a', '', lease), put('/b', '', ended));
    await kv.revokeLease(ended, never);
    await clock.advance(9_000);
    await kv.close();

    kv = open(path, clock);
    expect(await keysBelow(kv, '/')).toEqual(['a']);
    await expectCode(kv.renewLease(ended, never), 'STORE_LEASE_GONE');
    await clock.advance(9_000);
    expect(await kv.renewLease(lease, never)).toMatchObject({ leftSec: 10 });
    expect([ended, lease]).not.toContain(await kv.grantLease(10, never));
    await clock.advance(9_999);
    expect(await keysBelow(kv, '/')).toEqual(['a']);
    await clock.advance(1);
    expect(await read(kv, '/a')).toBeUndefined();
    await kv.close();
  });
});

describe('the file of the embedded store', () => {
  it('is refused to a second process with STORE_IN_USE and the pid of the first, until that dies', async () => {
    const path = freshPath();
    const child = spawn(
      process.execPath,
      [new URL('../support/store-writer.ts', import.meta.url).pathname, path],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(child.stdout, 'data');
      const error = failure(path);
      expect(error.code).toBe('STORE_IN_USE');
      expect(error.message).toBe(`the store '${path}' is in use by the process '${child.pid}'`);
      expect(error.hint).toContain('fleetd');
      child.stdout.resume();
      child.kill('SIGKILL');
      await once(child, 'close');
      await open(path).close();
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('that cannot be made is STORE_UNAVAILABLE', () => {
    const error = failure(join(directory, 'none', 'fleet.db'));
    expect(error.code).toBe('STORE_UNAVAILABLE');
    expect(error.hint).toContain('directory');
  });

  it('is refused to a second store of the same process, and free again after close()', async () => {
    const path = freshPath();
    const kv = open(path);
    expect(failure(path).code).toBe('STORE_IN_USE');
    await write(kv, put('/a'));
    await kv.close();
    await open(path).close();
  });

  it.for([
    { name: 'is no database', says: 'is damaged, or not a database', spoil: scribble },
    { name: 'is of another program', says: 'is not a store of fleet', spoil: ofAnotherProgram },
    { name: 'is of a later version', says: "has the format '99'", spoil: ofLaterVersion },
    { name: 'is overwritten in its middle', says: 'is damaged', spoil: overwriteMiddle },
  ])(
    'that $name is refused with STORE_FILE_INVALID, and stays as it is',
    async ({ says, spoil }) => {
      const path = freshPath();
      const kv = open(path);
      for (let n = 0; n < 20; n += 1) await write(kv, put(`/${n}`, 'x'.repeat(3000)));
      await kv.close();
      spoil(path);
      const before = readFileSync(path);
      for (let n = 0; n < 2; n += 1) {
        const error = failure(path);
        expect(error.code).toBe('STORE_FILE_INVALID');
        expect(error.message).toContain(says);
        expect(error.message).toContain(path);
      }
      expect(readFileSync(path).equals(before)).toBe(true);
    },
  );
});

function scribble(path: string): void {
  writeFileSync(path, 'this is no database\n'.repeat(1000));
}

function ofAnotherProgram(path: string): void {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA application_id = 1');
  database.close();
}

function ofLaterVersion(path: string): void {
  const database = new DatabaseSync(path);
  database.exec('PRAGMA user_version = 99');
  database.close();
}

function overwriteMiddle(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0xff, 8192, bytes.length - 4096);
  writeFileSync(path, bytes);
}
