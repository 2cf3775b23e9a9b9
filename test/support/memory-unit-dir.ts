// Unit files in memory: for hosts of which a test or a benchmark runs very many.
import { join } from 'node:path';
import type { UnitDir, UnitFile } from '../../agent/unit-dir.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { sha256Of } from '../../src/unitfile/hash.ts';

/** `read` is what a systemd of the same host sees by path. */
export class MemoryUnitDir implements UnitDir {
  readonly #files = new Map<UnitName, string>();

  path(name: UnitName): string {
    return join('/memory', name);
  }

  /** The text at a path that `path()` answered. */
  textAt(path: string): string | undefined {
    return this.#files.get(path.slice('/memory/'.length) as UnitName);
  }

  write(files: readonly UnitFile[]): Promise<void> {
    for (const { name, text } of files)
      this.#files.set(name, typeof text === 'string' ? text : Buffer.from(text).toString('utf8'));
    return Promise.resolve();
  }

  remove(names: readonly UnitName[]): Promise<void> {
    for (const name of names) this.#files.delete(name);
    return Promise.resolve();
  }

  read(name: UnitName): Promise<Buffer | undefined> {
    const text = this.#files.get(name);
    return Promise.resolve(text === undefined ? undefined : Buffer.from(text));
  }

  list(): Promise<ReadonlyMap<UnitName, string>> {
    return Promise.resolve(new Map([...this.#files].map(([name, text]) => [name, sha256Of(text)])));
  }
}
