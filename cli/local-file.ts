// Reads the files that arguments name.
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { FleetError } from '../src/model/errors.ts';

const NONE: readonly unknown[] = ['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'];

/** The file's bytes; undefined where there is none. */
export async function readLocalFile(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path.replace(/^~(?=\/)/, homedir()));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if ('code' in error && NONE.includes(error.code)) return undefined;
    throw new FleetError('NOT_FOUND', `the file '${path}' cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}
