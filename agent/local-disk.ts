// The disk of this machine, through Node.
import { constants } from 'node:fs';
import {
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  rmdir,
  writeFile,
  type FileHandle,
} from 'node:fs/promises';
import type { Disk } from './disk.ts';

export const localDisk: Disk = {
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o755 });
    return await realpath(path);
  },

  async list(directory) {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  },

  async read(path) {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      // ELOOP: somebody put a link there, which is no file of ours.
      if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ELOOP') return undefined;
      throw error;
    }
    try {
      return (await file.stat()).isFile() ? await file.readFile() : undefined;
    } finally {
      await file.close();
    }
  },

  async write(path, contents) {
    await writeFile(path, contents, { mode: 0o600 });
  },

  async create(path, contents) {
    const file = await open(path, 'wx', 0o644);
    try {
      await file.writeFile(contents);
      await file.sync();
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  },

  rename,

  async remove(path) {
    await rm(path, { force: true });
  },

  async removeDirectory(path) {
    try {
      await rmdir(path);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTEMPTY') throw error;
    }
  },

  async sync(directory) {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
