// restart: one unit after the other is stopped, waited for, started, waited for.
// Invariant: the first that fails ends it: the others keep running.
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import type { V2Unit } from '../../src/api/types.ts';
import type { Context } from '../context.ts';
import { viewOf, type UnitView, type Verdict } from '../goal.ts';
import { findUnits } from '../unit-argument.ts';
import { sayVerdicts } from '../verdict.ts';
import { waitForGoals } from '../wait.ts';

/** Restarts units; `timeoutMs` (0: none) bounds each stop and each start. */
export async function restart(
  context: Context,
  args: readonly string[],
  timeoutMs: number,
): Promise<number> {
  const found = await findUnits(context, args);
  const units = found.flatMap(({ name, unit }) => {
    if (unit === undefined) context.stdout(`Unit ${name} does not exist\n`);
    else if (unit.desiredState === 'inactive')
      throw new FleetError('REQUEST_INVALID', `unable to restart unit '${name}': it is inactive`, {
        hint: `Start it: fleetctl start ${name}`,
      });
    return unit ?? [];
  });
  let left = units.map(({ name }) => name);
  let status = 0;
  try {
    for (const unit of units) {
      left = left.slice(1);
      status = await restartOne(context, unit, timeoutMs);
      if (status !== 0) break;
    }
  } catch (error) {
    sayLeft(context, left);
    throw error;
  }
  sayLeft(context, left);
  return status;
}

function sayLeft(context: Context, left: readonly string[]): void {
  if (left.length > 0) context.stderr(`Not restarted: ${left.join(' ')}\n`);
}

async function restartOne(context: Context, first: V2Unit, timeoutMs: number): Promise<number> {
  const { name, global } = first;
  const verdicts = sayVerdicts(context);
  const quiet = async (view: UnitView, verdict: Exclude<Verdict, { kind: 'waiting' }>) => {
    if (verdict.kind === 'failed') await verdicts.say(view, verdict);
  };
  // As it is now: the units before it took their time.
  const before = await context.client.unit(name, context.signal);
  if (before.desiredState === 'launched') {
    const stopped = await putDesired(context, before, 'stopped');
    await notStarting(context, name, waitForGoals(context, [stopped], timeoutMs, quiet));
    if (verdicts.status() !== 0) return verdicts.status();
  }
  const loaded = await context.client.unit(name, context.signal);
  const started = await putDesired(context, loaded, 'launched');
  if (global) context.stdout(`Triggered global unit ${name} restart\n`);
  else await waitForGoals(context, [started], timeoutMs, verdicts.say);
  return verdicts.status();
}

/** Where the wait for the stop ends early, nothing will start the unit again: that is said. */
async function notStarting(context: Context, name: string, stopping: Promise<void>): Promise<void> {
  const hint = `It stops by itself, and is not started again; then: fleetctl start ${name}`;
  try {
    await stopping;
  } catch (error) {
    if (context.signal.aborted) context.stderr(`Unit ${name} is being stopped\n  ${hint}\n`);
    if (!isFleetError(error, 'WAIT_ENDED')) throw error;
    throw new FleetError('WAIT_ENDED', error.message, { cause: error, hint });
  }
}

async function putDesired(
  context: Context,
  before: V2Unit,
  goal: 'stopped' | 'launched',
): Promise<UnitView> {
  const desiredState = goal === 'stopped' ? 'loaded' : goal;
  const answer = await context.client.putUnit(before.name, { desiredState }, context.signal);
  return viewOf(goal, before, answer);
}
