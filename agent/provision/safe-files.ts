// Writes files, directories and links as root at paths that others may have a hand in.
// Invariant: a link that somebody else than root made is never followed; a path is the old thing or the new one; each step can be undone.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  chmod,
  chown,
  lchown,
  link,
  lstat,
  mkdir,
  open,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { FleetError } from '../../src/model/errors.ts';

/** How a step is taken back. */
export type Undo = () => Promise<void>;

/** What stands at a path. `other`: a device, a socket, a pipe. */
export type Standing =
  | Readonly<{ kind: 'none' }>
  | Readonly<{ kind: 'other' }>
  | Readonly<{ kind: 'directory'; mode: number; uid: number; gid: number }>
  | Readonly<{ kind: 'link'; target: string; uid: number; gid: number }>
  | Readonly<{
      kind: 'file';
      contents: Buffer;
      mode: number;
      uid: number;
      gid: number;
      ino: number;
    }>;

export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** links from one path to the next, as Linux has it. */
const LINKS_MAX = 40;

/** Where the path really is, of its directories only: links of root are followed. Throws PROVISION_FAILED for a link of somebody else. */
export async function trustedPath(path: string): Promise<string> {
  let real = '/';
  let rest = path.split('/').filter((part) => part !== '');
  for (let links = 0; rest.length > 1;) {
    const [part = '', ...more] = rest;
    const next = join(real, part);
    const found = await statOrNone(next);
    if (found === undefined) return join(real, ...rest); // to be made by us
    if (!found.isSymbolicLink()) {
      if (!found.isDirectory()) throw wrong(`'${next}' is no directory`);
      [real, rest] = [next, more];
      continue;
    }
    links += 1;
    if (found.uid !== 0 || (await stat(real)).uid !== 0 || links > LINKS_MAX)
      throw wrong(`'${next}' is a link that root did not make: nothing is written through it`);
    const target = resolve(real, await readlink(next));
    [real, rest] = ['/', [...target.split('/').filter((one) => one !== ''), ...more]];
  }
  return join(real, ...rest);
}

/** What stands there; a link itself, not where it leads. */
export async function standingAt(path: string): Promise<Standing> {
  const found = await statOrNone(path);
  if (found === undefined) return { kind: 'none' };
  const { uid, gid, ino } = found;
  const mode = found.mode & 0o7777;
  if (found.isDirectory()) return { kind: 'directory', mode, uid, gid };
  if (found.isSymbolicLink()) return { kind: 'link', target: await readlink(path), uid, gid };
  if (!found.isFile()) return { kind: 'other' };
  return { kind: 'file', contents: await readFile(path), mode, uid, gid, ino };
}

/** Puts a file there at once, on the disk when this ends. What stood there comes back by the undo. */
export async function putFile(path: string, contents: Uint8Array, owner: Ownership): Promise<Undo> {
  const { real, undo } = await withParents(path);
  const before = await standingAt(real);
  if (before.kind === 'directory' || before.kind === 'other')
    throw wrong(`'${path}' is there already, and no file`);
  await orUndo(undo, () => replaceByFile(real, contents, owner));
  return async () => {
    await putBack(real, before);
    await undo();
  };
}

/** Puts a link there, in the place of a file or link. */
export async function putLink(path: string, target: string, hard: boolean): Promise<Undo> {
  const { real, undo } = await withParents(path);
  const before = await standingAt(real);
  if (before.kind === 'directory' || before.kind === 'other')
    throw wrong(`'${path}' is there already, and no link`);
  await orUndo(undo, async () => {
    const temporary = temporaryBeside(real);
    await (hard ? link(await trustedPath(target), temporary) : symlink(target, temporary));
    await rename(temporary, real);
    await syncDirectory(dirname(real));
  });
  return async () => {
    await putBack(real, before);
    await undo();
  };
}

/** Makes a directory, or gives the one that is there its owner and mode. */
export async function putDirectory(path: string, owner: Ownership): Promise<Undo> {
  const { real, undo } = await withParents(path);
  const before = await standingAt(real);
  if (before.kind !== 'none' && before.kind !== 'directory')
    throw wrong(`'${path}' is there already, and no directory`);
  if (before.kind === 'none') await mkdir(real, { mode: 0o700 });
  await own(real, owner);
  await syncDirectory(dirname(real));
  return async () => {
    if (before.kind === 'none') await rmdir(real);
    else await own(real, before);
    await undo();
  };
}

/** A step that fails leaves no directories behind that were made for it. */
async function orUndo(undo: Undo, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    await undo();
    throw error;
  }
}

async function own(path: string, { uid, gid, mode }: Ownership): Promise<void> {
  await lchown(path, uid, gid);
  await chmod(path, mode);
}

async function putBack(path: string, before: Standing): Promise<void> {
  if (before.kind === 'none') await rm(path, { force: true });
  else if (before.kind === 'file') await replaceByFile(path, before.contents, before);
  else if (before.kind === 'link') {
    const temporary = temporaryBeside(path);
    await symlink(before.target, temporary);
    await lchown(temporary, before.uid, before.gid);
    await rename(temporary, path);
  }
  await syncDirectory(dirname(path));
}

async function replaceByFile(path: string, contents: Uint8Array, owner: Ownership): Promise<void> {
  const temporary = temporaryBeside(path);
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(contents);
    await file.chown(owner.uid, owner.gid);
    await file.chmod(owner.mode); // after the owner: a change of it clears setuid
    await file.sync();
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

function temporaryBeside(path: string): string {
  return join(dirname(path), `.fleet-${randomBytes(8).toString('hex')}`);
}

/** Makes the directories above the path that are not there; each belongs to whom the one above it belongs to. */
async function withParents(path: string): Promise<{ real: string; undo: Undo }> {
  const real = await trustedPath(path);
  const missing: string[] = [];
  for (let at = dirname(real); (await statOrNone(at)) === undefined; at = dirname(at))
    missing.unshift(at);
  for (const directory of missing) {
    const { uid, gid } = await lstat(dirname(directory));
    await mkdir(directory, { mode: 0o755 });
    await chmod(directory, 0o755); // whatever the umask
    await chown(directory, uid, gid);
    await syncDirectory(dirname(directory));
  }
  const undo = async (): Promise<void> => {
    for (const directory of missing.toReversed()) await rmdir(directory);
  };
  return { real, undo };
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function statOrNone(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function wrong(message: string): FleetError {
  return new FleetError('PROVISION_FAILED', message);
}
