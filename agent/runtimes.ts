// Which programs this host has that run containers: found by their names where programs are, asked for their versions.
// Invariant: what is published as a capability is a program that has answered.
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { RUNTIMES, type Runtime } from '../src/model/container-runtime.ts';
import type { Log } from '../src/runtime/log.ts';

export interface FoundRuntime {
  /** Absolute. */
  readonly program: string;
  /** Such as '4.3.1'. */
  readonly version: string;
}

export type FoundRuntimes = ReadonlyMap<Runtime, FoundRuntime>;

/** As systemd's own search path (systemd-path search-binaries), and /opt/bin, where Container Linux keeps programs of the host. */
const DIRECTORIES: readonly string[] = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/opt/bin',
];
/** ms; a program that says nothing for so long is as good as none. Docker's client took more than 5 s while a busy host booted. */
const VERSION_TIMEOUT_MS = 15_000;
const VERSION_WORDS: Readonly<Record<Runtime, string>> = {
  podman: '--version',
  docker: '--version',
  rkt: 'version',
};
/** Such as '20.10.24'; the rkt of units/ says by what it does its work: '1.30.0+podman4.3.1'. */
const VERSION = /\d+(?:\.\d+)+(?:\+podman[\d.]+)?/;

/** Looks for all of them. A program that is there and does not answer is named in the log. */
export async function findRuntimes(log: Log, directories = DIRECTORIES): Promise<FoundRuntimes> {
  const found = await Promise.all(
    RUNTIMES.map(async (runtime): Promise<readonly [Runtime, FoundRuntime | undefined]> => {
      const program = await firstProgram(runtime, directories);
      if (program === undefined) return [runtime, undefined];
      const version = await versionOf(program, VERSION_WORDS[runtime]);
      if (version === undefined) log.warn({ program }, 'a runtime does not answer, ignoring it');
      return [runtime, version === undefined ? undefined : { program, version }];
    }),
  );
  return new Map(found.flatMap(([runtime, one]) => (one === undefined ? [] : [[runtime, one]])));
}

/** As the machine's record has them. */
export function capabilitiesOf(runtimes: FoundRuntimes): Readonly<Record<string, string>> {
  return Object.fromEntries([...runtimes].map(([runtime, { version }]) => [runtime, version]));
}

async function firstProgram(
  name: string,
  directories: readonly string[],
): Promise<string | undefined> {
  for (const directory of directories) {
    const path = join(directory, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error; // not there, or not ours to run
    }
  }
  return undefined;
}

function versionOf(program: string, word: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [word], { timeout: VERSION_TIMEOUT_MS }, (error, stdout) => {
      resolve(error === null ? VERSION.exec(stdout)?.[0] : undefined);
    });
  });
}
