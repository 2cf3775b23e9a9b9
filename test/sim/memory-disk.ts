// The disk of a simulated machine, in memory, and what a power cut makes of it.
// Invariant: what was synced is there after a power cut; of the rest, the first so many changes. Below /run/ nothing outlives a boot.
import { dirname } from 'node:path';
import type { Disk } from '../../agent/disk.ts';
import type { Process } from './process.ts';
import { never } from './process.ts';
import type { Random } from './random.ts';

type Files = Map<string, Buffer>;

interface Change {
  /** The directory whose sync makes it durable. */
  readonly directory: string;
  readonly apply: (files: Files) => void;
}

/** A machine's disk. */
export class MemoryDisk {
  /** Writing fails: there is no space left. */
  isFull = false;
  #files: Files = new Map();
  #durable: Files = new Map();
  #unsynced: Change[] = [];

  read(path: string): Buffer | undefined {
    return this.#files.get(path);
  }

  list(directory: string): readonly string[] {
    const prefix = `${directory}/`;
    return [...this.#files.keys()]
      .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
      .map((path) => path.slice(prefix.length));
  }

  write(path: string, contents: Buffer): void {
    if (this.isFull) throw diskError('ENOSPC', 'no space left on device', 'write');
    this.#change({ directory: dirname(path), apply: (files) => files.set(path, contents) });
  }

  create(path: string, contents: Buffer): void {
    if (this.#files.has(path)) throw diskError('EEXIST', 'file already exists', 'open');
    this.write(path, contents);
  }

  rename(from: string, to: string): void {
    const contents = this.#files.get(from);
    if (contents === undefined) throw diskError('ENOENT', 'no such file or directory', 'rename');
    this.#change({
      directory: dirname(to),
      apply: (files) => {
        files.delete(from);
        files.set(to, contents);
      },
    });
  }

  remove(path: string): void {
    if (!this.#files.has(path)) return;
    this.#change({ directory: dirname(path), apply: (files) => files.delete(path) });
  }

  sync(directory: string): void {
    for (const change of this.#unsynced)
      if (change.directory === directory) change.apply(this.#durable);
    this.#unsynced = this.#unsynced.filter((change) => change.directory !== directory);
  }

  /** The machine boots: in order (all is written), or after a power cut, which `random` cuts somewhere. */
  boot(powerCut: Random | undefined): void {
    const kept = powerCut?.whole(0, this.#unsynced.length) ?? this.#unsynced.length;
    for (const change of this.#unsynced.slice(0, kept)) change.apply(this.#durable);
    for (const path of this.#durable.keys())
      if (path.startsWith('/run/')) this.#durable.delete(path);
    this.#files = new Map(this.#durable);
    this.#unsynced = [];
  }

  #change(change: Change): void {
    change.apply(this.#files);
    this.#unsynced.push(change);
  }
}

/** The disk as one process reaches it. */
export function diskOf(process: Process, disk: MemoryDisk): Disk {
  const call = <T>(effect: () => T): Promise<T> => {
    if (!process.enter()) return never();
    try {
      const result = effect();
      return process.left() ? Promise.resolve(result) : never();
    } catch (error) {
      return Promise.reject(error);
    }
  };
  const bytes = (contents: string | Uint8Array): Buffer => Buffer.from(contents as string);
  return {
    makeDirectory: (path) => call(() => path),
    list: (directory) => call(() => disk.list(directory)),
    read: (path) => call(() => disk.read(path)),
    write: (path, contents) => call(() => disk.write(path, bytes(contents))),
    create: (path, contents) => call(() => disk.create(path, bytes(contents))),
    rename: (from, to) => call(() => disk.rename(from, to)),
    remove: (path) => call(() => disk.remove(path)),
    removeDirectory: () => call(() => undefined), // this disk has files only
    sync: (directory) => call(() => disk.sync(directory)),
  };
}

function diskError(code: string, message: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code, syscall });
}
