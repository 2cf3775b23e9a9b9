// What is said of a unit that is not there: what lies there instead, and which name was likely meant.
// Invariant: looking for names is for a better message only; where it fails, the message goes without.
import { basename, dirname, join } from 'node:path';
import { FleetError, isFleetError } from '../src/model/errors.ts';
import type { UnitName } from '../src/model/unit.ts';
import { parseUnitName, templateOf, UNIT_TYPES, unitNameParts } from '../src/unitfile/name.ts';
import type { Context } from './context.ts';
import type { DirectoryEntry } from './local-file.ts';
import { nearestUnitName, withNearestType } from './nearest.ts';

/** For an argument that is neither a unit of the cluster nor a file. */
export async function missingFile(
  context: Context,
  argument: string,
  name: UnitName,
): Promise<FleetError> {
  const directory = dirname(argument);
  const entries = await context.files.list(directory);
  const hint =
    misnamed(argument, entries) ??
    mistyped(argument) ??
    (await meant(context, name, entries)) ??
    usual(name);
  const path = join(directory, name);
  const isDirectory = entries.some((entry) => entry.name === name && entry.isDirectory);
  return new FleetError(
    'UNIT_NOT_FOUND',
    `there is no unit '${name}' in the cluster, and ${isDirectory ? `'${path}' is a directory` : `no file '${path}'`}`,
    { hint },
  );
}

/** For a name that the cluster does not have. */
export async function missingUnit(context: Context, name: UnitName): Promise<FleetError> {
  return new FleetError('UNIT_NOT_FOUND', `unit '${name}' does not exist`, {
    hint: (await meant(context, name, [])) ?? mistyped(name) ?? 'See: fleetctl list-unit-files',
  });
}

/** The call's result; where it finds no such unit, the failure names the nearest. */
export async function orMissing<T>(
  context: Context,
  name: UnitName,
  calling: Promise<T>,
): Promise<T> {
  try {
    return await calling;
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    throw await missingUnit(context, name);
  }
}

/** A file of just that name, which no unit can have. */
function misnamed(argument: string, entries: readonly DirectoryEntry[]): string | undefined {
  const file = basename(argument);
  const isThere = entries.some((entry) => entry.name === file && !entry.isDirectory);
  if (!isThere || parseUnitName(file).ok !== undefined) return undefined;
  const better = join(dirname(argument), withNearestType(file) ?? `${file}.service`);
  const fault = file.includes('.')
    ? `'${file.slice(file.lastIndexOf('.'))}' is no type of unit`
    : 'its name has no type';
  return `The file '${argument}' is there, but ${fault}; did you mean '${better}'? The types are: ${UNIT_TYPES.join(', ')}.`;
}

function mistyped(argument: string): string | undefined {
  // A name of the cluster has got its `.service` already.
  const text = argument.replace(/\.service$/, '');
  const better = withNearestType(text);
  if (better === undefined) return undefined;
  return `'${text.slice(text.lastIndexOf('.'))}' is no type of unit; did you mean '${better}'?`;
}

/** The nearest name in the cluster or in the directory; of an instance, that of its template. */
async function meant(
  context: Context,
  name: UnitName,
  entries: readonly DirectoryEntry[],
): Promise<string | undefined> {
  const files = entries.filter((entry) => !entry.isDirectory).map((entry) => entry.name);
  const names = [...(await namesOfCluster(context)), ...files.filter(isUnitName)];
  const better = nearestUnitName(name, names);
  if (better !== undefined) return `Did you mean '${better}'?`;
  const template = templateOf(name);
  const near = template === undefined ? undefined : nearestUnitName(template, names);
  if (near === undefined) return undefined;
  return `Did you mean '${near.replace('@.', `@${unitNameParts(name).instance ?? ''}.`)}'?`;
}

/** Also of what has no unit any more, and is still somewhere. */
async function namesOfCluster(context: Context): Promise<readonly string[]> {
  const { client, signal } = context;
  try {
    const [units, states] = await Promise.all([client.units(signal), client.states(signal)]);
    return [...units, ...states].map(({ name }) => name);
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return [];
  }
}

function isUnitName(text: string): boolean {
  return parseUnitName(text).ok !== undefined;
}

function usual(name: UnitName): string {
  const template = templateOf(name);
  return template === undefined
    ? 'Give the path of a unit file, or the name of a unit that was submitted.'
    : `Give the path of a unit file, or submit the template '${template}' first.`;
}
