// The directory of the unit files that this host runs (`units_directory`): durable, and every file in it whole.
// Invariant: a name is either the old file or the new one, and nothing outside of the directory is ever written or read.
import { hash } from 'node:crypto';
import { join } from 'node:path';
import { FleetError } from '../src/model/errors.ts';
import { UNIT_DIR_FILES_AT_ONCE } from '../src/model/limits.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Disk } from './disk.ts';
import { localDisk } from './local-disk.ts';

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
  /** This machine's, unless given. */
  readonly disk?: Disk;
  /** The check of a name found on the disk: undefined where it is no unit's. */
  readonly parseUnitName: (text: string) => UnitName | undefined;
}

/** Opens the directory, makes it if it is not there, and clears what a crash has left half written. */
export async function openUnitDir(options: UnitDirOptions): Promise<UnitDir> {
  const { disk = localDisk, parseUnitName } = options;
  const directory = await disk.makeDirectory(options.directory);
  for (const name of await disk.list(directory)) {
    if (TEMPORARY.test(name)) await disk.remove(join(directory, name));
  }
  return new Directory(directory, { disk, parseUnitName });
}

/** Starts with a dot and has no type, so it is no unit's name. */
const TEMPORARY = /^\.new-\d+$/;

class Directory implements UnitDir {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #parseUnitName: UnitDirOptions['parseUnitName'];
  #written = 0;

  constructor(
    directory: string,
    { disk, parseUnitName }: Pick<UnitDirOptions, 'parseUnitName'> & { disk: Disk },
  ) {
    this.#directory = directory;
    this.#disk = disk;
    this.#parseUnitName = parseUnitName;
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
    await this.#disk.sync(this.#directory);
  }

  async remove(names: readonly UnitName[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    await inGroups(names, signal, (name) => this.#disk.remove(this.path(name)));
    await this.#disk.sync(this.#directory);
  }

  async read(name: UnitName, signal: AbortSignal): Promise<Buffer | undefined> {
    const path = this.path(name);
    signal.throwIfAborted();
    return await this.#disk.read(path);
  }

  async list(signal: AbortSignal): Promise<ReadonlyMap<UnitName, string>> {
    const names: UnitName[] = [];
    for (const entry of await this.#disk.list(this.#directory)) {
      const name = this.#parseUnitName(entry);
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
    await this.#disk.create(temporary, file.text);
    await this.#disk.rename(temporary, path);
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
