// How units of the cluster are found for a command that names several: one by one, or all at once from its listings.
import type { V2Unit, V2UnitState } from '../src/api/types.ts';
import type { Context } from './context.ts';
import { findUnit, type FindUnit } from './unit-argument.ts';

/** names from which on two listings cost the cluster less than a request for each */
const LISTED_FROM = 32;

/** A way to find so many units. */
export function finderOf(context: Context, count: number): FindUnit {
  if (count < LISTED_FROM) return (name) => findUnit(context, name);
  let units: Promise<ReadonlyMap<string, V2Unit>> | undefined;
  return async (name) => (await (units ??= listed(context))).get(name);
}

/** States are read after the units: what the events behind the units' revision tell again changes nothing. */
async function listed({ client, signal }: Context): Promise<ReadonlyMap<string, V2Unit>> {
  const { units, revision } = await client.unitsAt(signal);
  const states = new Map<string, V2UnitState[]>();
  for (const state of await client.states(signal)) {
    const rows = states.get(state.name);
    if (rows === undefined) states.set(state.name, [state]);
    else rows.push(state);
  }
  return new Map(
    units.map((unit) => [unit.name, { ...unit, revision, states: states.get(unit.name) ?? [] }]),
  );
}
