// Quoted globs as UNIT arguments of commands that speak of units in the cluster: 'web@*'.
import { FleetError } from '../src/model/errors.ts';
import { compileGlob } from '../src/unitfile/glob.ts';
import type { Context } from './context.ts';

/** The arguments with each glob replaced by the names that it matches, in order of name. */
export async function expandGlobs(
  context: Context,
  args: readonly string[],
): Promise<readonly string[]> {
  if (!args.some(isGlob)) return args;
  const names = (await context.client.units(context.signal)).map((unit) => unit.name);
  return args.flatMap((argument) => {
    if (!isGlob(argument)) return [argument];
    const matches = names.filter(compileGlob(argument.includes('.') ? argument : `${argument}.*`));
    if (matches.length === 0)
      throw new FleetError('UNIT_NOT_FOUND', `no unit matches '${argument}'`, {
        hint: 'See: fleetctl list-unit-files',
      });
    return matches;
  });
}

function isGlob(argument: string): boolean {
  return /[*?[]/.test(argument);
}
