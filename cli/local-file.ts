// Reads the files that arguments and options name.
// Invariant: a unit file is read only where that ends: a regular file of bounded size, never a pipe or a device.
import { createReadStream, type ReadStream, type Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { FleetError } from '../src/model/errors.ts';
import { UNIT_FILE_MAX_BYTES } from '../src/model/limits.ts';

/** The files of a machine. */
export interface LocalFiles {
  /** The file's bytes, also a pipe's; undefined where there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** A unit file's bytes; undefined where there is none, or a directory. UNIT_FILE_INVALID for what can be none. */
  readUnit(path: string): Promise<Uint8Array | undefined>;
  /** A regular file to be read in pieces, as often as one likes; undefined where there is none. NOT_FOUND for what is another thing. */
  large(path: string): Promise<LargeFile | undefined>;
  /** The entries of a directory; none where it cannot be read. */
  list(path: string): Promise<readonly DirectoryEntry[]>;
}

/** A file of any size. */
export interface LargeFile {
  readonly sizeBytes: number;
  /** Its bytes from the beginning. */
  open(): ReadStream;
}

/** What lies in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** Those of this machine. */
export const localFiles: LocalFiles = { read, readUnit, large, list };

const NONE: readonly unknown[] = ['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'];

async function read(path: string): Promise<Uint8Array | undefined> {
  return await unlessNone(path, readFile(atHome(path)));
}

async function readUnit(path: string): Promise<Uint8Array | undefined> {
  const found = await unlessNone(path, stat(atHome(path)));
  if (found === undefined || found.isDirectory()) return undefined;
  if (!found.isFile())
    throw new FleetError('UNIT_FILE_INVALID', `'${path}' is ${kindOf(found)}, and no unit file`, {
      hint: 'A unit file is a regular file: its name is the name of the unit.',
    });
  if (found.size > UNIT_FILE_MAX_BYTES)
    throw new FleetError(
      'UNIT_FILE_INVALID',
      `the file '${path}' has ${found.size} bytes; a unit file has at most ${UNIT_FILE_MAX_BYTES}`,
      { hint: 'Is it the unit file, or what the unit is to run?' },
    );
  return await read(path);
}

async function large(path: string): Promise<LargeFile | undefined> {
  const found = await unlessNone(path, stat(atHome(path)));
  if (found === undefined) return undefined;
  if (!found.isFile())
    throw new FleetError('NOT_FOUND', `'${path}' is ${kindOf(found)}, and no file`);
  return { sizeBytes: found.size, open: () => createReadStream(atHome(path)) };
}

async function list(path: string): Promise<readonly DirectoryEntry[]> {
  try {
    const entries = await readdir(atHome(path), { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}

async function unlessNone<T>(path: string, reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ('code' in error && NONE.includes(error.code)) return undefined;
    throw new FleetError('NOT_FOUND', `the file '${path}' cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'a directory';
  if (found.isFIFO()) return 'a pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

function atHome(path: string): string {
  return path.replace(/^~(?=\/)/, homedir());
}
