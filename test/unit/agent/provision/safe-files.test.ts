import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
  existsSync,
  lchownSync,
  readdirSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  putDirectory,
  putFile,
  putLink,
  trustedPath,
} from '../../../../agent/provision/safe-files.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const root = tempDir();
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: files of other users need root\n');
const nobody = { uid: 65534, gid: 65534 };

function directory(): string {
  return mkdtempSync(join(root, 'd-'));
}

describe.skipIf(!isRoot)('putFile', () => {
  it('writes with owner and mode, also where directories are missing, and takes all of it back', async () => {
    const dir = directory();
    const undo = await putFile(join(dir, 'a/b/file'), Buffer.from('x'), {
      ...nobody,
      mode: 0o4640,
    });
    const { mode, uid } = statSync(join(dir, 'a/b/file'));
    expect([mode & 0o7777, uid]).toEqual([0o4640, 65534]);
    expect(statSync(join(dir, 'a')).mode & 0o777).toBe(0o755);
    await undo();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('brings back what stood there: a file with its mode, a link', async () => {
    const dir = directory();
    writeFileSync(join(dir, 'file'), 'old', { mode: 0o600 });
    symlinkSync('elsewhere', join(dir, 'link'));
    for (const name of ['file', 'link']) {
      const undo = await putFile(join(dir, name), Buffer.from('new'), {
        uid: 0,
        gid: 0,
        mode: 0o644,
      });
      expect(readFileSync(join(dir, name), 'utf8')).toBe('new');
      await undo();
    }
    expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('old');
    expect(statSync(join(dir, 'file')).mode & 0o777).toBe(0o600);
    expect(readlinkSync(join(dir, 'link'))).toBe('elsewhere');
    expect(existsSync(join(dir, 'elsewhere'))).toBe(false);
  });

  it('never writes through a link that somebody else made', async () => {
    const dir = directory();
    mkdirSync(join(dir, 'secret'));
    symlinkSync(join(dir, 'secret'), join(dir, 'trap'));
    lchownSync(join(dir, 'trap'), nobody.uid, nobody.gid);
    const write = putFile(join(dir, 'trap/file'), Buffer.from('x'), { ...nobody, mode: 0o644 });
    await expect(write).rejects.toMatchObject({ code: 'PROVISION_FAILED' });
    expect(readdirSync(join(dir, 'secret'))).toEqual([]);
  });

  it('gives a directory that it makes to whom the one above it belongs', async () => {
    const dir = directory();
    mkdirSync(join(dir, 'home'));
    chownSync(join(dir, 'home'), nobody.uid, nobody.gid);
    await putFile(join(dir, 'home/.docker/config'), Buffer.from('x'), { ...nobody, mode: 0o600 });
    expect(statSync(join(dir, 'home/.docker')).uid).toBe(nobody.uid);
  });

  it('leaves a directory alone that stands in its way', async () => {
    const dir = directory();
    const write = putFile(dir, Buffer.from('x'), { ...nobody, mode: 0o600 });
    await expect(write).rejects.toMatchObject({ message: expect.stringContaining('and no file') });
  });
});

describe.skipIf(!isRoot)('putLink and putDirectory', () => {
  it('can be taken back', async () => {
    const dir = directory();
    writeFileSync(join(dir, 'l'), 'old');
    const link = await putLink(join(dir, 'l'), '/target', false);
    expect(readlinkSync(join(dir, 'l'))).toBe('/target');
    const made = await putDirectory(join(dir, 'x/y'), { ...nobody, mode: 0o700 });
    expect(statSync(join(dir, 'x/y')).uid).toBe(nobody.uid);
    await made();
    await link();
    expect(readdirSync(dir)).toEqual(['l']);
    expect(readFileSync(join(dir, 'l'), 'utf8')).toBe('old');
  });

  it('trustedPath follows links of root', async () => {
    const dir = directory();
    mkdirSync(join(dir, 'real'));
    symlinkSync('real', join(dir, 'link'));
    expect(await trustedPath(join(dir, 'link/file'))).toBe(join(dir, 'real/file'));
  });
});
