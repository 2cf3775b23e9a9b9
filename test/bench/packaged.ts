// fleetctl and fleetd as users of the package have them: the executable, built of the sources as they stand.
import { execFileSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { buildExecutable } from '../../lab/package/executable.ts';
import { projectDir } from '../../lab/script.ts';
import { hostProjectDir } from '../../lab/seed.ts';
import { VERSION } from '../../src/runtime/version.ts';

/** Lines of fleet.service that make the packaged fleetd the host's. */
export async function packagedFleetd(): Promise<readonly string[]> {
  const fleetd = path.join(hostProjectDir, await packagedDirectory(), 'fleetd');
  return ['ExecStart=', `ExecStart=${fleetd}`];
}

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
  const executable = path.join(directory, 'fleetd');
  await buildExecutable({ version: VERSION, workDir, output: executable });
  // As after a boot: of a file just written the kernel keeps, and counts as resident, in pieces of 2 MB what was not asked for.
  execFileSync('sync', [executable]);
  execFileSync('dd', [`if=${executable}`, 'iflag=nocache', 'count=0', 'status=none']);
  try {
    await symlink('fleetd', path.join(directory, 'fleetctl'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return DIRECTORY;
}
