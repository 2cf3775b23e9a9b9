// A disk in memory: for hosts of which a test or a benchmark runs very many.
import { dirname } from 'node:path';
import type { Disk } from '../../agent/disk.ts';

/** Files by path. */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Buffer>();

  /** The text of a file, as another program sees it. */
  text(path: string): string | undefined {
    return this.#files.get(path)?.toString('utf8');
  }

  makeDirectory(path: string): Promise<string> {
    return Promise.resolve(path.replace(/\/+$/, ''));
  }

  list(directory: string): Promise<readonly string[]> {
    const paths = [...this.#files.keys()].filter((path) => dirname(path) === directory);
    return Promise.resolve(paths.map((path) => path.slice(directory.length + 1)));
  }

  read(path: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.#files.get(path));
  }

  write(path: string, contents: string): Promise<void> {
    this.#files.set(path, Buffer.from(contents));
    return Promise.resolve();
  }

  create(path: string, contents: string | Uint8Array): Promise<void> {
    if (this.#files.has(path))
      return Promise.reject(Object.assign(new Error(`'${path}' exists`), { code: 'EEXIST' }));
    this.#files.set(path, Buffer.from(contents));
    return Promise.resolve();
  }

  rename(from: string, to: string): Promise<void> {
    const contents = this.#files.get(from);
    if (contents === undefined)
      return Promise.reject(Object.assign(new Error(`no '${from}'`), { code: 'ENOENT' }));
    this.#files.delete(from);
    this.#files.set(to, contents);
    return Promise.resolve();
  }

  remove(path: string): Promise<void> {
    this.#files.delete(path);
    return Promise.resolve();
  }

  /** There are no directories but in the names of files. */
  removeDirectory(): Promise<void> {
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }
}
