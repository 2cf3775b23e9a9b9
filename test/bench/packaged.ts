// fleetctl as users of the package have it: the executable, built of the sources as they stand.
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { buildExecutable } from '../../lab/package/executable.ts';
import { projectDir } from '../../lab/script.ts';
import { VERSION } from '../../src/runtime/version.ts';

/** From the project's directory. */
const DIRECTORY = 'node_modules/.cache/packaged';
let built: Promise<string> | undefined;

/** Builds it once a process; answers the directory of `fleetctl`, from the project's. */
export async function packagedDirectory(): Promise<string> {
  built ??= build();
  return await built;
}

async function build(): Promise<string> {
  const directory = path.join(projectDir, DIRECTORY);
  const workDir = path.join(directory, 'work');
  await buildExecutable({ version: VERSION, workDir, output: path.join(directory, 'fleetd') });
  try {
    await symlink('fleetd', path.join(directory, 'fleetctl'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return DIRECTORY;
}
