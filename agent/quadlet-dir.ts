// The directory of unit files with Quadlet files in it: each lies there as it was submitted, and beside it the service made of it.
// Invariant: what is read and listed is what was submitted; a service is made anew only when its file is written.
import { access } from 'node:fs/promises';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Runtime } from '../src/model/container-runtime.ts';
import { convertQuadlet } from '../src/quadlet/convert.ts';
import { optionalDevicesOf, referencesOf } from '../src/quadlet/references.ts';
import type { Log } from '../src/runtime/log.ts';
import { checkFleetOptions } from '../src/unitfile/fleet-options.ts';
import { parseUnitName } from '../src/unitfile/name.ts';
import type { UnitFile as ParsedFile } from '../src/unitfile/parse.ts';
import { problemLine } from '../src/unitfile/problem.ts';
import { parseNamedFile, quadletTypeOf, systemdNameOf } from '../src/unitfile/quadlet-name.ts';
import type { FoundRuntime, FoundRuntimes } from './runtimes.ts';
import type { UnitDir, UnitFile } from './unit-dir.ts';

export interface QuadletDirDeps {
  readonly log: Log;
  readonly runtimes: () => FoundRuntimes;
  /** The services are for a user's systemd. */
  readonly user: boolean;
  /** The text of a unit that the cluster has; undefined where it has none of that name. */
  readonly submitted: (name: UnitName, signal: AbortSignal) => Promise<string | undefined>;
}

/** The directory, with services made of the Quadlet files that are written to it. */
export function withQuadlets(inner: UnitDir, deps: QuadletDirDeps): UnitDir {
  return {
    path: (name) => inner.path(systemdNameOf(name)),
    write: async (files, signal) => {
      const services: UnitFile[] = [];
      for (const file of files)
        if (quadletTypeOf(file.name) !== undefined)
          services.push(await serviceOf(inner, deps, file, signal));
      // The submitted file first: a service that lies there alone would be taken for a unit of its own.
      await inner.write(files, signal);
      await inner.write(services, signal);
    },
    remove: (names, signal) =>
      inner.remove([...new Set(names.flatMap((name) => [name, systemdNameOf(name)]))], signal),
    read: (name, signal) => inner.read(name, signal),
    list: async (signal) => {
      const files = await inner.list(signal);
      const made = [...files.keys()].filter((name) => quadletTypeOf(name) !== undefined);
      const services = new Set(made.map(systemdNameOf));
      return new Map([...files].filter(([name]) => !services.has(name)));
    },
  };
}

/** The service of a Quadlet file. Throws UNIT_FILE_INVALID with every reason why this host cannot run it. */
async function serviceOf(
  inner: UnitDir,
  deps: QuadletDirDeps,
  { name, text }: UnitFile,
  signal: AbortSignal,
): Promise<UnitFile> {
  const { ok: file, problems: unread } = parseNamedFile(name, String(text));
  if (file === undefined) throw refused(name, unread.map(problemLine));
  const { runtime, found } = runtimeFor(deps, name, file);
  const { ok, problems } = convertQuadlet(name, file, {
    runtime,
    program: found.program,
    version: found.version,
    user: deps.user,
    quadlets: await referredFiles(inner, deps, file, signal),
    devices: await presentDevices(file),
  });
  if (ok === undefined) throw refused(name, problems.map(problemLine));
  for (const warning of ok.warnings)
    deps.log.warn(
      { unit: name, problem: problemLine(warning) },
      'a Quadlet file is hardly meant so',
    );
  return { name: systemdNameOf(name), text: ok.text };
}

function runtimeFor(
  { runtimes }: QuadletDirDeps,
  name: UnitName,
  file: ParsedFile,
): { runtime: Runtime; found: FoundRuntime } {
  const wanted = checkFleetOptions(name, file).ok?.runtimes ?? [];
  const here = runtimes();
  for (const runtime of wanted) {
    const found = here.get(runtime);
    if (found !== undefined) return { runtime, found };
  }
  throw refused(name, [`this machine has no ${wanted.join(' or ')}`]);
}

/** Files that this one refers to: as they lie here, else as the cluster has them. Where the store is away, names follow the rule. */
async function referredFiles(
  inner: UnitDir,
  { submitted, log }: QuadletDirDeps,
  file: ParsedFile,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ParsedFile>> {
  const files = new Map<string, ParsedFile>();
  for (const text of referencesOf(file)) {
    const { ok: name } = parseUnitName(text);
    if (name === undefined) continue;
    try {
      const here = await inner.read(name, signal);
      const found = here?.toString('utf8') ?? (await submitted(name, signal));
      const parsed = found === undefined ? undefined : parseNamedFile(name, found).ok;
      if (parsed !== undefined) files.set(name, parsed);
    } catch (error) {
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
      log.warn({ unit: name }, 'a referred Quadlet file cannot be read, going by its name');
    }
  }
  return files;
}

async function presentDevices(file: ParsedFile): Promise<ReadonlySet<string>> {
  const present = new Set<string>();
  for (const path of optionalDevicesOf(file)) {
    try {
      await access(path);
      present.add(path);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error; // it is not there: that is the question
    }
  }
  return present;
}

function refused(name: UnitName, reasons: readonly string[]): FleetError {
  return new FleetError('UNIT_FILE_INVALID', `it cannot be made a service: ${reasons.join('; ')}`, {
    details: { unit: name },
  });
}
