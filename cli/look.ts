// Looks at units that are waited for, where events were missed: what is true now, for the same goal.
// Invariant: a look carries the revision that it was made at, so that events can be followed from it without a gap.
import { isFleetError } from '../src/model/errors.ts';
import type { Context } from './context.ts';
import { viewOf, viewOfRemains, type UnitView } from './goal.ts';
import { inParallel } from './parallel.ts';

/** New views of the same units, in their order. */
export async function lookAgain(
  context: Context,
  views: readonly UnitView[],
  signal: AbortSignal,
): Promise<readonly UnitView[]> {
  return await inParallel(views, (view) => lookAt(context, view, signal));
}

async function lookAt(context: Context, view: UnitView, signal: AbortSignal): Promise<UnitView> {
  const { client } = context;
  const { goal, name, wasLaunched } = view;
  try {
    const unit = await client.unit(name, signal);
    return { ...viewOf(goal, unit, undefined), wasLaunched, since: unit.desiredState };
  } catch (error) {
    if (!isFleetError(error, 'UNIT_NOT_FOUND')) throw error;
    const { states, revision } = await client.statesOf(name, signal);
    return { ...viewOfRemains(name, states, revision), goal };
  }
}
