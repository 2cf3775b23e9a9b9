// submit, load, start, stop, unload, destroy: what each asks of the cluster.
// Invariant: one unit's failure never stops the others; the status is 1 if one failed.
import type { V2Unit } from '../../src/api/types.ts';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import { UNIT_REQUESTS_MAX } from '../../src/model/limits.ts';
import type { DesiredState, UnitName } from '../../src/model/unit.ts';
import { withChildSignal } from '../../src/runtime/abort.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { viewOf, viewOfRemains, type UnitView } from '../goal.ts';
import { finderOf } from '../finder.ts';
import { inParallel } from '../parallel.ts';
import { expandGlobs } from '../unit-glob.ts';
import { findUnit, lookUp, nameOfArgument, type FindUnit } from '../unit-argument.ts';
import { submitNew, submitUnit, type Submitted } from '../submit.ts';
import { sayVerdicts } from '../verdict.ts';
import { waitForGoals } from '../wait.ts';

/** units that are asked for at once: as many as two requests hold, so that one can follow the other at once */
const AT_ONCE = 2 * UNIT_REQUESTS_MAX;

export interface ChangeOptions {
  readonly replace: boolean;
  readonly noBlock: boolean;
  /** ms until a blocking command gives up; 0: never. */
  readonly timeoutMs: number;
}

export type ChangeVerb = 'submit' | 'load' | 'start' | 'stop' | 'unload' | 'destroy';

/** Runs one of the changing verbs over its UNIT arguments. */
export async function change(
  context: Context,
  verb: ChangeVerb,
  args: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  const words = takesFiles(verb) ? args : await expandGlobs(context, args);
  const wanted = onePerUnit(words);
  const find = finderOf(context, wanted.length);
  let status = 0;
  const views: UnitView[] = [];
  const asked = await inParallel(
    wanted,
    (argument) => tried(ask({ context, find, options }, verb, argument)),
    AT_ONCE,
  );
  for (const result of asked) {
    if ('error' in result) status = Math.max(status, report(result.error, context.stderr));
    else if (result.ok !== undefined) views.push(result.ok);
  }
  const waited = views.filter((view) => !sayWithoutWaiting(context, verb, view, options));
  if (waited.length === 0) return status;
  return await withChildSignal(context.signal, async (signal) => {
    // Machines that are still being read when all has been said, or the time is over, are not waited for.
    const verdicts = sayVerdicts({ ...context, signal });
    if (verb !== 'destroy') verdicts.readMachines();
    await waitForGoals(context, waited, options.timeoutMs, verdicts.say);
    return Math.max(status, verdicts.status());
  });
}

function takesFiles(verb: ChangeVerb): verb is 'submit' | 'load' | 'start' {
  return verb === 'submit' || verb === 'load' || verb === 'start';
}

/** `hello` and `hello.service` are one unit; what is no name is kept, to be complained of. */
function onePerUnit(words: readonly string[]): readonly string[] {
  const seen = new Map<string, string>();
  for (const word of words) {
    const name = nameOrWord(word);
    if (!seen.has(name)) seen.set(name, word);
  }
  return [...seen.values()];
}

function nameOrWord(word: string): string {
  try {
    return nameOfArgument(word);
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return word;
  }
}

type Tried<T> = { readonly ok: T } | { readonly error: unknown };

async function tried<T>(work: Promise<T>): Promise<Tried<T>> {
  try {
    return { ok: await work };
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return { error };
  }
}

/** What all arguments of a command share. */
interface Asking {
  readonly context: Context;
  readonly find: FindUnit;
  readonly options: ChangeOptions;
}

/** Sends what one argument asks for; undefined when there is nothing to do, which it has said. */
async function ask(
  asking: Asking,
  verb: ChangeVerb,
  argument: string,
): Promise<UnitView | undefined> {
  if (verb === 'destroy') return await destroy(asking, argument);
  if (!takesFiles(verb)) return await lower(asking, verb, argument);
  const { before, answer } = await submit(asking, verb, argument);
  return viewOf(WANTED[verb], before, answer);
}

/** What each verb makes of a unit. */
const WANTED: Readonly<Record<Exclude<ChangeVerb, 'destroy'>, DesiredState>> = {
  submit: 'inactive',
  load: 'loaded',
  start: 'launched',
  stop: 'loaded',
  unload: 'inactive',
};

/** tries, when others write the same unit at the same moment */
const TRIES = 3;

async function submit(
  { context, find, options: { replace } }: Asking,
  verb: 'submit' | 'load' | 'start',
  argument: string,
): Promise<Submitted> {
  const asNew = await submitNew(context, argument, WANTED[verb]);
  if (asNew !== undefined) return asNew;
  for (let left = TRIES - 1; ; left -= 1) {
    // What was listed before a conflict is old.
    const found = await lookUp(context, argument, left === TRIES - 1 ? find : undefined);
    try {
      return await submitUnit(context, found, { verb, desiredState: WANTED[verb], replace });
    } catch (error) {
      const now = isFleetError(error, 'UNIT_CONFLICT')
        ? await findUnit(context, found.name)
        : found.submitted;
      if (left === 0 || now?.hash === found.submitted?.hash) throw error;
    }
  }
}

async function lower(
  { context, find }: Asking,
  verb: 'stop' | 'unload',
  argument: string,
): Promise<UnitView | undefined> {
  const name = nameOfArgument(argument);
  const before = await find(name);
  if (before === undefined) return sayMissing(context, name);
  if (verb === 'stop' && before.desiredState === 'inactive')
    throw new FleetError('REQUEST_INVALID', `unable to stop unit '${name}': it is inactive`, {
      hint: `Load it first: fleetctl load ${name}`,
    });
  const desiredState = WANTED[verb];
  // To write again what is wanted already would only raise its generation.
  const answer: V2Unit | undefined =
    before.desiredState === desiredState
      ? undefined
      : await context.client.putUnit(name, { desiredState }, context.signal);
  return viewOf(verb === 'stop' ? 'stopped' : desiredState, before, answer);
}

async function destroy({ context, find }: Asking, argument: string): Promise<UnitView | undefined> {
  const name = nameOfArgument(argument);
  const before = await find(name);
  if (before === undefined) return await destroyOrphans(context, name);
  try {
    await context.client.destroyUnit(name, context.signal);
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    // Somebody else was faster: it is waited for all the same.
  }
  return viewOf('destroyed', before, undefined);
}

/** Units of that name that run unknown to the store are ended all the same. */
async function destroyOrphans(context: Context, name: UnitName): Promise<UnitView | undefined> {
  const { states, revision } = await context.client.statesOf(name, context.signal);
  if (!states.some(({ orphan }) => orphan === true)) return sayMissing(context, name);
  await context.client.destroyUnit(name, context.signal);
  return viewOfRemains(name, states, revision);
}

function sayMissing(context: Context, name: UnitName): undefined {
  context.stdout(`Unit ${name} does not exist\n`);
  return undefined;
}

/** Prints the line of a unit that is not waited for; answers whether there was one. */
function sayWithoutWaiting(
  context: Context,
  verb: ChangeVerb,
  { name, global, goal }: UnitView,
  { noBlock }: ChangeOptions,
): boolean {
  const line = ((): string | undefined => {
    if (verb === 'submit') return `Unit ${name} inactive`;
    if (goal !== 'destroyed' && global) return `Triggered global unit ${name} ${verb}`;
    if (!noBlock) return undefined;
    return goal === 'destroyed' ? `Destroyed ${name}` : `Triggered unit ${name} ${verb}`;
  })();
  if (line !== undefined) context.stdout(`${line}\n`);
  return line !== undefined;
}
