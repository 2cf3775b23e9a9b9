// Quoted globs as UNIT arguments of commands that speak of units in the cluster: 'web@*'.
import { FleetError } from '../src/model/errors.ts';
import { compileGlob, GLOB_HINT, globProblem } from '../src/unitfile/glob.ts';
import type { Context } from './context.ts';

/** The arguments with each glob replaced by the names that it matches, in order of name. A glob that matches none is told of. */
export async function expandGlobs(
  context: Context,
  args: readonly string[],
): Promise<readonly string[]> {
  if (!args.some(isGlob)) return args;
  const globs = new Map(args.filter(isGlob).map((glob) => [glob, matcherOf(glob)]));
  const names = (await context.client.units(context.signal)).map((unit) => unit.name);
  return args.flatMap((argument) => {
    const matches = globs.get(argument);
    if (matches === undefined) return [argument];
    const found = names.filter(matches);
    if (found.length === 0) context.stdout(`No unit matches ${argument}\n`);
    return found;
  });
}

/** No unit name has these characters. */
function isGlob(argument: string): boolean {
  return /[*?[]/.test(argument);
}

/** As a bare name gets its `.service`, so does a glob: 'web-?' matches web-1.service. */
function matcherOf(glob: string): (name: string) => boolean {
  const problem = globProblem(glob);
  if (problem !== undefined)
    throw new FleetError('USAGE', `the pattern '${glob}' is malformed: ${problem}`, {
      hint: GLOB_HINT,
    });
  const matchers = [compileGlob(glob), compileGlob(`${glob}.service`)];
  return (name) => matchers.some((matches) => matches(name));
}
