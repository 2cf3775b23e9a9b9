// The directory of the unit files that this host runs (`units_directory`): durable, and every file in it whole.
// Invariant: a name is either the old file or the new one, and nothing outside of the directory is ever written or read.
import { hash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError } from '../src/model/errors.ts';
import { UNIT_DIR_FILES_AT_ONCE } from '../src/model/limits.ts';
import type { UnitName } from '../src/model/unit.ts';

export interface UnitFile {
  readonly name: UnitName;
  readonly text: string | Uint8Array;
}

export interface UnitDir {
  /** Where the file of `name` is; the directory's links are followed. */
  path(name: UnitName): string;
  /** Writes all files; when it ends they outlive a power cut. */
  write(files: readonly UnitFile[], signal: AbortSignal): Promise<void>;
  /** Removes files; one that is not there is no error. */
  remove(names: readonly UnitName[], signal: AbortSignal): Promise<void>;
  /** The bytes of one file; undefined when it is not there. */
  read(name: UnitName, signal: AbortSignal): Promise<Buffer | undefined>;
  /** SHA-256 in hex of each unit file that is there. */
  list(signal: AbortSignal): Promise<ReadonlyMap<UnitName, string>>;
}

export interface UnitDirOptions {
  readonly directory: string;
  /** The check of a name found on the disk: undefined where it is no unit's. */
  parseUnitName(text: string): UnitName | undefined;
}

/** Opens the directory, makes it if it is not there, and clears what a crash has left half written. */
export async function openUnitDir(options: UnitDirOptions): Promise<UnitDir> {
  await mkdir(options.directory, { recursive: true, mode: 0o755 });
  const directory = await realpath(options.directory);
  for (const entry of await readdir(directory)) {
    if (TEMPORARY.test(entry)) await rm(join(directory, entry), { force: true });
  }
  return new Directory(directory, options);
}

/** Starts with a dot and has no type, so it is no unit's name. */
const TEMPORARY = /^\.new-\d+$/;

class Directory implements UnitDir {
  readonly #directory: string;
  readonly #options: UnitDirOptions;
  #written = 0;

  constructor(directory: string, options: UnitDirOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  path(name: UnitName): string {
    // The brand says it is checked; this is the one place where a wrong one would leave the directory.
    if (name.includes('/') || name.startsWith('.') || name === '') {
      throw new FleetError('UNIT_NAME_INVALID', `'${name}' cannot be the name of a unit file`);
    }
    return join(this.#directory, name);
  }

  async write(files: readonly UnitFile[], signal: AbortSignal): Promise<void> {
    if (files.length === 0) return;
    await inGroups(files, signal, (file) => this.#writeOne(file));
    await this.#sync();
  }

  async remove(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    await inGroups(names, signal, (name) => rm(this.path(name), { force: true }));
    await this.#sync();
  }

  async read(name: UnitName, signal: AbortSignal): Promise<Buffer | undefined> {
    const path = this.path(name);
    signal.throwIfAborted();
    let file;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      // ELOOP: somebody put a link there, which is no file of ours.
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP') return undefined;
      throw error;
    }
    try {
      if (!(await file.stat()).isFile()) return undefined;
      return await file.readFile({ signal });
    } finally {
      await file.close();
    }
  }

  async list(signal: AbortSignal): Promise<ReadonlyMap<UnitName, string>> {
    const names: UnitName[] = [];
    for (const entry of await readdir(this.#directory, { withFileTypes: true })) {
      const name = entry.isFile() ? this.#options.parseUnitName(entry.name) : undefined;
      if (name !== undefined) names.push(name);
    }
    const sums = new Map<UnitName, string>();
    await inGroups(names.sort(), signal, async (name) => {
      const bytes = await this.read(name, signal);
      if (bytes !== undefined) sums.set(name, hash('sha256', bytes));
    });
    return sums;
  }

  async #writeOne(file: UnitFile): Promise<void> {
    const path = this.path(file.name);
    this.#written += 1;
    const temporary = join(this.#directory, `.new-${this.#written}`);
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.writeFile(file.text);
      await handle.sync();
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  }

  /** Makes the renames and removals of a batch durable, by one fsync. */
  async #sync(): Promise<void> {
    const handle = await open(this.#directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function inGroups<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += UNIT_DIR_FILES_AT_ONCE) {
    signal.throwIfAborted();
    await Promise.all(items.slice(at, at + UNIT_DIR_FILES_AT_ONCE).map(work));
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
