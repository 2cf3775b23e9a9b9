// One file that runs without Node on the host: Node with fleet's programs inside (a single executable application).
// Invariant: built by the Node that is in it, so that its code caches fit.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { nodeOptions } from '../../agent/node-options.ts';
import { projectDir } from '../script.ts';
import { bundlePrograms, type Bundle } from './bundle.ts';
import { rehearse } from './rehearsal.ts';

export interface ExecutableOptions {
  /** Such as 2.0.0: what the programs say of themselves. */
  readonly version: string;
  /** Made anew, and left behind. */
  readonly workDir: string;
  readonly output: string;
}

const node = path.join(projectDir, 'node_modules/node/bin/node');

/** Builds the executable; called as fleetd or fleetctl it is that. Answers what is in it besides fleet. */
export async function buildExecutable(
  options: ExecutableOptions,
): Promise<Pick<Bundle, 'packageDirs'>> {
  const { version, workDir, output } = options;
  await rm(workDir, { recursive: true, force: true });
  const chunksDir = path.join(workDir, 'chunks');
  await mkdir(chunksDir, { recursive: true });
  const { loader, chunks, packageDirs } = await bundlePrograms(version);
  const main = path.join(workDir, 'loader.js');
  await writeFile(main, loader);
  const assets: Record<string, string> = { 'loader.js': main }; // for fleetd's threads
  for (const [name, text] of chunks) {
    assets[name] = path.join(chunksDir, name);
    assets[`${name}.cache`] = path.join(chunksDir, `${name}.cache`);
    await writeFile(path.join(chunksDir, name), text, 'ascii');
  }
  await cacheCode(chunksDir);
  const executable = path.join(workDir, 'node');
  await copyFile(node, executable);
  strip(executable);
  const config = path.join(workDir, 'sea.json');
  await writeFile(config, JSON.stringify(seaConfig({ main, executable, output, assets })));
  await mkdir(path.dirname(output), { recursive: true });
  runNode('--build-sea', config);
  tryOut(output);
  return { packageDirs };
}

/** Throws where the executable has something to say besides its version: that V8 refuses a code cache, say, which costs each call 15 ms. */
function tryOut(executable: string): void {
  const { error, stderr } = spawnSync(executable, ['version'], {
    argv0: 'fleetctl',
    encoding: 'utf8',
  });
  if (error !== undefined || stderr !== '')
    throw new Error(`${executable} version: ${error?.message ?? stderr}`);
}

/** A cache beside each chunk. */
async function cacheCode(chunksDir: string): Promise<void> {
  const program = path.join(import.meta.dirname, 'code-cache.ts');
  runNode(program, chunksDir);
  await rehearse(async (args, cwd) => {
    const child = spawn(node, [...nodeOptions, program, chunksDir, ...args], {
      cwd,
      stdio: 'ignore',
    });
    const [status] = (await once(child, 'exit')) as [number | null];
    return status ?? -1;
  });
}

interface SeaFiles {
  readonly main: string;
  readonly executable: string;
  readonly output: string;
  readonly assets: Readonly<Record<string, string>>;
}

/** The file that `node --build-sea` reads. */
export function seaConfig(files: SeaFiles): object {
  return {
    ...files,
    mainFormat: 'commonjs',
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: true,
    execArgv: nodeOptions,
    // NODE_OPTIONS of whoever calls fleetctl is not meant for it.
    execArgvExtension: 'none',
  };
}

/** As fleet's Node is run: V8 refuses a code cache that was made under other options. */
function runNode(...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(node, [...nodeOptions, ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${stdout}${stderr}`);
}

/** A fifth of Node's executable is symbols for debuggers. Without binutils they stay. */
function strip(file: string): void {
  const { status, error, stderr } = spawnSync('strip', [file], { encoding: 'utf8' });
  if (error !== undefined) process.stderr.write('package: no strip (Debian: binutils): larger\n');
  else if (status !== 0) throw new Error(`strip ${file}: ${stderr}`);
}
