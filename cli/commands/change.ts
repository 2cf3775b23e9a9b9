// submit, load, start, stop, unload, destroy: what each asks of the cluster, and the line it prints when it is so.
// Invariant: one unit's failure never stops the others; the status is 1 if one failed.
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import type { DesiredState } from '../../src/model/unit.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import type { Goal, UnitView, Verdict } from '../goal.ts';
import { placeName } from '../render/machine.ts';
import { expandGlobs } from '../unit-glob.ts';
import { findUnit, lookUp, nameOfArgument } from '../unit-argument.ts';
import { submitUnit } from '../submit.ts';
import { waitForGoals } from '../wait.ts';

export interface ChangeOptions {
  readonly replace: boolean;
  readonly noBlock: boolean;
  /** ms until a blocking command gives up; 0: never. */
  readonly timeoutMs: number;
}

export type ChangeVerb = 'submit' | 'load' | 'start' | 'stop' | 'unload' | 'destroy';

/** A request that was accepted and may be waited for. */
interface Asked {
  readonly name: string;
  readonly goal: Goal;
  readonly global: boolean;
}

/** Runs one of the changing verbs over its UNIT arguments. */
export async function change(
  context: Context,
  verb: ChangeVerb,
  args: readonly string[],
  options: ChangeOptions,
): Promise<number> {
  if (args.length === 0)
    throw new FleetError('USAGE', `${verb} needs the name or the file of a unit`, {
      hint: `Usage: fleetctl ${verb} [OPTION…] UNIT…`,
    });
  const after = await context.client.revision(context.signal);
  let status = 0;
  const asked: Asked[] = [];
  const names = takesFiles(verb) ? args : await expandGlobs(context, args);
  for (const result of await mapBounded(names, (argument) =>
    ask(context, verb, argument, options),
  )) {
    if (result.kind === 'asked') asked.push(result.asked);
    else status = Math.max(status, report(result.error, context.stderr));
  }
  const waited = new Map<string, Goal>();
  for (const { name, goal, global } of asked) {
    if (verb === 'submit') context.stdout(`Unit ${name} inactive\n`);
    else if (global && verb !== 'destroy')
      context.stdout(`Triggered global unit ${name} ${verb}\n`);
    else if (options.noBlock)
      context.stdout(
        verb === 'destroy' ? `Destroyed ${name}\n` : `Triggered unit ${name} ${verb}\n`,
      );
    else waited.set(name, goal);
  }
  if (waited.size > 0) {
    const machines = machineNames(context);
    await waitForGoals(
      context,
      waited,
      { timeoutMs: options.timeoutMs, after },
      async (view, verdict) => {
        if (verdict.kind === 'failed') status = 1;
        await sayVerdict(context, machines, view, verdict);
      },
    );
  }
  return status;
}

function takesFiles(verb: ChangeVerb): boolean {
  return verb === 'submit' || verb === 'load' || verb === 'start';
}

type AskResult =
  | { readonly kind: 'asked'; readonly asked: Asked }
  | { readonly kind: 'failed'; readonly error: unknown };

/** How many requests are under way at once: 500 units are not 500 connections. */
const REQUESTS_MAX = 32;

async function mapBounded(
  names: readonly string[],
  ask: (name: string) => Promise<Asked | undefined>,
): Promise<AskResult[]> {
  const results: AskResult[] = [];
  const queue = [...new Set(names)];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      try {
        const asked = await ask(name);
        if (asked !== undefined) results.push({ kind: 'asked', asked });
      } catch (error) {
        results.push({ kind: 'failed', error });
      }
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_MAX }, worker));
  return results;
}

/** Sends what one argument asks for; undefined when there is nothing to do, which it has said. */
async function ask(
  context: Context,
  verb: ChangeVerb,
  argument: string,
  options: ChangeOptions,
): Promise<Asked | undefined> {
  switch (verb) {
    case 'submit':
    case 'load':
    case 'start': {
      const desiredState = wantedBy(verb);
      const unit = await submitUnit(context, await lookUp(context, argument), {
        verb,
        desiredState,
        replace: options.replace,
      });
      return { name: unit.name, goal: desiredState, global: unit.global };
    }
    case 'stop':
    case 'unload':
      return await lower(context, verb, argument);
    case 'destroy':
      return await destroy(context, argument);
  }
}

function wantedBy(verb: 'submit' | 'load' | 'start' | 'stop' | 'unload'): DesiredState {
  if (verb === 'start') return 'launched';
  return verb === 'load' || verb === 'stop' ? 'loaded' : 'inactive';
}

async function lower(
  context: Context,
  verb: 'stop' | 'unload',
  argument: string,
): Promise<Asked | undefined> {
  const name = nameOfArgument(argument);
  const unit = await findUnit(context, name);
  if (unit === undefined) return sayMissing(context, name);
  if (verb === 'stop' && unit.desiredState === 'inactive')
    throw new FleetError('REQUEST_INVALID', `unable to stop unit '${name}': it is inactive`, {
      hint: `Load it first: fleetctl load ${name}`,
    });
  const desiredState = wantedBy(verb);
  // A loaded unit is stopped already; to write it again would only raise its generation.
  if (unit.desiredState !== desiredState)
    await context.client.putUnit(name, { desiredState }, context.signal);
  return { name, goal: desiredState, global: unit.global };
}

async function destroy(context: Context, argument: string): Promise<Asked | undefined> {
  const name = nameOfArgument(argument);
  try {
    await context.client.destroyUnit(name, context.signal);
  } catch (error) {
    if (isFleetError(error, 'UNIT_NOT_FOUND')) return sayMissing(context, name);
    throw error;
  }
  return { name, goal: 'destroyed', global: false };
}

function sayMissing(context: Context, name: string): undefined {
  context.stdout(`Unit ${name} does not exist\n`);
  return undefined;
}

type Names = (machineID: string) => Promise<string>;

/** Machines by id, read once and only when a line needs one. */
function machineNames(context: Context): Names {
  let known: Promise<ReadonlyMap<string, string>> | undefined;
  return async (machineID) => {
    known ??= context.client
      .machines(context.signal)
      .then((all) => new Map(all.map((machine) => [machine.id, machine.primaryIP])));
    return placeName(machineID, (await known).get(machineID));
  };
}

async function sayVerdict(
  context: Context,
  names: Names,
  view: UnitView,
  verdict: Exclude<Verdict, { kind: 'waiting' }>,
): Promise<void> {
  const where = verdict.machineID === undefined ? '' : ` on ${await names(verdict.machineID)}`;
  if (verdict.kind === 'failed')
    context.stderr(
      `Unit ${view.name} failed${where}: ${verdict.reason}\n  See: fleetctl journal ${view.name}\n`,
    );
  else if (view.goal === 'destroyed') context.stdout(`Destroyed ${view.name}\n`);
  else context.stdout(`Unit ${view.name} ${view.goal}${where}\n`);
}
