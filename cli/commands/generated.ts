// `cat --generated`: the service that a Quadlet file becomes, as the machine that has it makes it.
import { FleetError } from '../../src/model/errors.ts';
import type { UnitName } from '../../src/model/unit.ts';
import type { V2Unit } from '../../src/api/types.ts';
import { convertQuadlet } from '../../src/quadlet/convert.ts';
import type { ConversionHost } from '../../src/quadlet/draft.ts';
import { optionalDevicesOf, referencesOf } from '../../src/quadlet/references.ts';
import { checkFleetOptions } from '../../src/unitfile/fleet-options.ts';
import { checkUnitName, parseUnitName } from '../../src/unitfile/name.ts';
import type { UnitFile } from '../../src/unitfile/parse.ts';
import { problemLine } from '../../src/unitfile/problem.ts';
import { parseNamedFile, quadletTypeOf } from '../../src/unitfile/quadlet-name.ts';
import type { Context } from '../context.ts';
import { inParallel } from '../parallel.ts';
import { findUnit } from '../unit-argument.ts';

/** The text of the service, or the unit's own where systemd reads that. Throws UNIT_FILE_INVALID where no runtime can run it. */
export async function generatedText(context: Context, unit: V2Unit, text: string): Promise<string> {
  const name = checkUnitName(unit.name);
  if (quadletTypeOf(name) === undefined) return text;
  const { ok: file, problems } = parseNamedFile(name, text);
  if (file === undefined) throw refused(name, problems.map(problemLine));
  const { machineID } = unit;
  const [host, quadlets, user] = await Promise.all([
    runtimeOf(context, name, file, machineID),
    referred(context, file),
    isForUser(context, machineID),
  ]);
  const converted = convertQuadlet(name, file, {
    ...host,
    program: `/usr/bin/${host.runtime}`,
    user,
    quadlets,
    // Whether the machine has them only it knows.
    devices: new Set(optionalDevicesOf(file)),
  });
  if (converted.ok === undefined) throw refused(name, converted.problems.map(problemLine));
  for (const warning of converted.ok.warnings)
    context.stderr(`WARNING: Unit ${name}: ${problemLine(warning)}\n`);
  return converted.ok.text;
}

/** What its machine has of what it may be run by; of a unit without a machine, what it would be run by first. */
async function runtimeOf(
  context: Context,
  name: UnitName,
  file: UnitFile,
  machineID: string | undefined,
): Promise<Pick<ConversionHost, 'runtime' | 'version'>> {
  const wanted = checkFleetOptions(name, file).ok?.runtimes ?? [];
  const [first = 'podman'] = wanted;
  if (machineID === undefined) return { runtime: first };
  const machines = await context.client.machines(context.signal);
  const { capabilities = {} } = machines.find(({ id }) => id === machineID) ?? {};
  const runtime = wanted.find((one) => Object.hasOwn(capabilities, one)) ?? first;
  const version = capabilities[runtime];
  return { runtime, ...(version === undefined ? {} : { version }) };
}

async function referred(context: Context, file: UnitFile): Promise<ReadonlyMap<string, UnitFile>> {
  const names = referencesOf(file).flatMap((text) => parseUnitName(text).ok ?? []);
  const found = await inParallel(names, async (name) => {
    const text = (await findUnit(context, name))?.text;
    return [name, text === undefined ? undefined : parseNamedFile(name, text).ok] as const;
  });
  return new Map(found.flatMap(([name, other]) => (other === undefined ? [] : [[name, other]])));
}

/** Known of the machine that is asked only; units of others are taken for the system's. */
async function isForUser(context: Context, machineID: string | undefined): Promise<boolean> {
  const daemon = await context.client.daemon(context.signal);
  return daemon.systemd === 'user' && (machineID ?? daemon.machineID) === daemon.machineID;
}

function refused(name: UnitName, reasons: readonly string[]): FleetError {
  return new FleetError(
    'UNIT_FILE_INVALID',
    `unit '${name}' cannot be made a service: ${reasons.join('; ')}`,
    { details: { unit: name } },
  );
}
