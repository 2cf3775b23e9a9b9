// What a UNIT argument means: a bare name, a path to a file, or an instance of a template; and what text it would submit.
import { basename, dirname, join } from 'node:path';
import type { V2Unit } from '../src/api/types.ts';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import { checkUnitName, templateOf, unitNameWithDefaultSuffix } from '../src/unitfile/name.ts';
import { decodeUnitBytes } from '../src/unitfile/parse.ts';
import { problemLine } from '../src/unitfile/problem.ts';
import type { UnitName } from '../src/model/unit.ts';
import type { Context } from './context.ts';
import { missingFile } from './missing-unit.ts';
import { inParallel } from './parallel.ts';
import { expandGlobs } from './unit-glob.ts';

/** The cluster's unit of a name, undefined when there is none. Found in a listing it is without its text. */
export type FindUnit = (name: UnitName) => Promise<V2Unit | undefined>;

/** One UNIT argument, looked up here and in the cluster. */
export interface UnitArgument {
  readonly name: UnitName;
  /** The cluster's; absent where it has none of that name. */
  readonly submitted?: V2Unit;
  /** The local file's text, or that of the template it is an instance of. */
  readonly local?: string;
}

/** The name that an argument speaks of: its last path component, `.service` if it has no suffix. */
export function nameOfArgument(argument: string): UnitName {
  return checkUnitName(unitNameWithDefaultSuffix(basename(argument)));
}

/** Looks an argument up. UNIT_NOT_FOUND when there is neither a unit nor a file nor a template. */
export async function lookUp(
  context: Context,
  argument: string,
  find: FindUnit = (name) => findUnit(context, name),
): Promise<UnitArgument> {
  const name = nameOfArgument(argument);
  const [submitted, local] = await Promise.all([find(name), localText(context, argument, name)]);
  if (submitted !== undefined || local !== undefined)
    return { name, ...(submitted && { submitted }), ...(local !== undefined && { local }) };
  const template = templateOf(name);
  const ofCluster = template === undefined ? undefined : await findUnit(context, template);
  if (ofCluster?.text !== undefined) return { name, local: ofCluster.text };
  throw await missingFile(context, argument, name);
}

/** What an argument of a command that only speaks of units in the cluster found. */
export async function findUnits(
  context: Context,
  args: readonly string[],
): Promise<readonly { readonly name: UnitName; readonly unit: V2Unit | undefined }[]> {
  const names = [...new Set((await expandGlobs(context, args)).map(nameOfArgument))];
  return await inParallel(names, async (name) => ({ name, unit: await findUnit(context, name) }));
}

/** The cluster's unit of that name, with its text; undefined when there is none. */
export async function findUnit(context: Context, name: UnitName): Promise<V2Unit | undefined> {
  try {
    return await context.client.unit(name, context.signal);
  } catch (error) {
    if (isFleetError(error, 'UNIT_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** The text of the file that an argument names, or of the template beside it; undefined when there is none. */
export async function localText(
  context: Context,
  argument: string,
  name: UnitName,
): Promise<string | undefined> {
  const paths = [join(dirname(argument), name)];
  const template = templateOf(name);
  if (template !== undefined) paths.push(join(dirname(argument), template));
  for (const path of paths) {
    const bytes = await context.files.readUnit(path);
    if (bytes !== undefined) return decodeText(path, bytes);
  }
  return undefined;
}

function decodeText(path: string, bytes: Uint8Array): string {
  const decoded = decodeUnitBytes(bytes);
  if (decoded.problems === undefined) return decoded.ok;
  const [first = { message: 'it is no unit file' }] = decoded.problems;
  throw new FleetError('UNIT_FILE_INVALID', `the file '${path}': ${problemLine(first)}`, {
    ...(first.hint !== undefined && { hint: first.hint }),
  });
}
