// Where a provisioning file comes from: a path, a URL, a config drive; at boot the first of those that has one.
// Invariant: nothing larger than PROVISION_MAX_BYTES is held, and a URL is HTTP.
import { mkdtemp, open, readFile, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import { PROVISION_MAX_BYTES } from '../../src/model/limits.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { never } from './accounts.ts';
import { runTool } from './tools.ts';

/** What a provisioning file is called, and its text. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** Files that a host may have been given before its first boot; the first that is there counts. */
const BOOT_FILES = ['/etc/fleet/cloud-config.yaml', '/etc/fleet/ignition.json'] as const;
/** Where a config drive may be mounted already, and the device that OpenStack gives it. */
const DRIVE_DIRS = ['/media/configdrive', '/mnt/configdrive'] as const;
const DRIVE_DEVICE = '/dev/disk/by-label/config-2';
const USER_DATA = 'openstack/latest/user_data';

/** ms for one answer of a URL; for all tries at boot, where the network may come late; and between two. */
const FETCH_MS = 10_000;
const BOOT_FETCH_MS = 60_000;
const FETCH_AGAIN_MS = 2_000;

/** Reads a file. */
export async function fromFile(path: string): Promise<SourceFile> {
  return { name: path, text: await boundedText(path) };
}

/** Fetches a file. */
export async function fromUrl(text: string, signal: AbortSignal): Promise<SourceFile> {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new FleetError('USAGE', `'${text}' is no URL of http or https`);
  const shown = `${url.origin}${url.pathname}`; // a query or a password may be a secret
  try {
    const either = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]);
    const response = await fetch(url, { signal: either });
    if (!response.ok) throw invalid(`'${shown}' answers with status ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > PROVISION_MAX_BYTES) throw tooLarge(shown);
      chunks.push(chunk);
    }
    return { name: shown, text: decoded(shown, Buffer.concat(chunks)) };
  } catch (error) {
    signal.throwIfAborted();
    if (isFleetError(error)) throw error;
    const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = inner instanceof Error ? inner.message : String(inner);
    throw new FleetError('PROVISION_FAILED', `'${shown}' cannot be fetched: ${why}`, {
      cause: error,
    });
  }
}

/** Reads the user data of a config drive: of a directory where one is mounted, or of a device. */
export async function fromConfigDrive(
  place: string | undefined,
  signal: AbortSignal,
): Promise<SourceFile> {
  const found = place ?? (await driveOfHost());
  if (found === undefined)
    throw invalid(`there is no config drive: neither ${DRIVE_DIRS.join(', ')} nor ${DRIVE_DEVICE}`);
  if ((await statOrNone(found)) === undefined) throw invalid(`there is no '${found}'`);
  if ((await stat(found)).isDirectory()) return await fromFile(join(found, USER_DATA));
  const directory = await mkdtemp('/run/fleet-drive-');
  try {
    await runTool(['mount', '-o', 'ro,nosuid,nodev,noexec', '--', found, directory], { signal });
    try {
      return await fromFile(join(directory, USER_DATA));
    } finally {
      await runTool(['umount', directory], { signal: never() });
    }
  } finally {
    await rmdir(directory);
  }
}

/** The first source that this host has at boot; undefined where it has none. */
export async function fromBoot(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<SourceFile | undefined> {
  for (const path of BOOT_FILES)
    if ((await statOrNone(path)) !== undefined) return await fromFile(path);
  const url =
    env['FLEET_PROVISION_URL'] ?? urlOfCommandLine(await readFile('/proc/cmdline', 'utf8'));
  if (url !== undefined && url !== '') return await fetchedInTime(url, signal);
  const drive = await driveOfHost();
  return drive === undefined ? undefined : await fromConfigDrive(drive, signal);
}

/** The URL on the kernel's command line; CoreOS's word for it counts too. */
export function urlOfCommandLine(line: string): string | undefined {
  return /(?:^|\s)(?:fleet\.provision|cloud-config-url)=(\S+)/.exec(line)?.[1];
}

/** At boot the network may not be there yet. */
async function fetchedInTime(url: string, signal: AbortSignal): Promise<SourceFile> {
  const until = systemClock.now() + BOOT_FETCH_MS;
  for (;;) {
    try {
      return await fromUrl(url, signal);
    } catch (error) {
      if (!isFleetError(error, 'PROVISION_FAILED') || systemClock.now() > until) throw error;
      await systemClock.sleep(FETCH_AGAIN_MS, signal);
    }
  }
}

async function driveOfHost(): Promise<string | undefined> {
  for (const directory of DRIVE_DIRS)
    if ((await statOrNone(join(directory, USER_DATA))) !== undefined) return directory;
  return (await statOrNone(DRIVE_DEVICE)) === undefined ? undefined : DRIVE_DEVICE;
}

async function boundedText(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      if (!(await file.stat()).isFile()) throw invalid(`'${path}' is no regular file`);
      if ((await file.stat()).size > PROVISION_MAX_BYTES) throw tooLarge(path);
      return decoded(path, await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isFleetError(error) || !(error instanceof Error && 'code' in error)) throw error;
    throw new FleetError('PROVISION_INVALID', `cannot read '${path}': ${error.message}`, {
      cause: error,
    });
  }
}

function decoded(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // what `fatal` throws
    throw invalid(`'${name}' is not UTF-8`);
  }
}

async function statOrNone(path: string): Promise<object | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

function tooLarge(name: string): FleetError {
  return invalid(`'${name}' has more than ${PROVISION_MAX_BYTES} bytes`);
}

function invalid(message: string): FleetError {
  return new FleetError('PROVISION_INVALID', message);
}
