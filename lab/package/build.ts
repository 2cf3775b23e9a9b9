// All that is published of a version, in one directory.
// Invariant: a directory that is whole has SHA256SUMS; it is written last.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import path from 'node:path';
import { projectDir } from '../script.ts';
import { billOfMaterials, copyright, partsIn } from './contents.ts';
import { buildDeb } from './deb.ts';
import { buildExecutable } from './executable.ts';

export interface PackageOptions {
  readonly version: string;
  readonly outDir: string;
  /** s since 1970. */
  readonly time: number;
  readonly say: (line: string) => void;
}

/** Builds the executable, the Debian package, the container's recipe, the bill of materials and the sums. Answers their names. */
export async function buildPackage(options: PackageOptions): Promise<readonly string[]> {
  const { version, outDir, time, say } = options;
  const work = path.join(outDir, 'work');
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  say(`fleet ${version}: the executable`);
  const executable = path.join(outDir, 'fleetd');
  const { packageDirs } = await buildExecutable({
    version,
    workDir: path.join(work, 'executable'),
    output: executable,
  });
  await symlink('fleetd', path.join(outDir, 'fleetctl'));
  const parts = partsIn(packageDirs);
  const { versions } = process;
  say(`fleet ${version}: the Debian package`);
  const deb = await buildDeb({
    version,
    executable,
    copyright: copyright(parts, versions.node),
    time,
    workDir: path.join(work, 'deb'),
    outDir,
  });
  const bill = `fleet-${version}.cdx.json`;
  await writeFile(path.join(outDir, bill), billOfMaterials(version, parts, versions));
  await copyFile(path.join(projectDir, 'units/Containerfile'), path.join(outDir, 'Containerfile'));
  await rm(work, { recursive: true });
  const names = ['fleetd', path.basename(deb), bill, 'Containerfile'];
  const sums: string[] = [];
  for (const name of names) sums.push(`${await sha256(path.join(outDir, name))}  ${name}\n`);
  await writeFile(path.join(outDir, 'SHA256SUMS'), sums.join(''));
  return [...names, 'SHA256SUMS'];
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
