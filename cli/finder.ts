// How units of the cluster are found for a command that names several: one by one, or all at once from its listings.
import type { V2Unit } from '../src/api/types.ts';
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

/** The states are not older than the units: what the events behind the units' revision tell again changes nothing. */
async function listed({ client, signal }: Context): Promise<ReadonlyMap<string, V2Unit>> {
  const [{ units, revision }, first] = await Promise.all([
    client.unitsAt(signal),
    client.statesAt(signal),
  ]);
  const isOlder = BigInt(first.revision) < BigInt(revision);
  const states = isOlder ? await client.states(signal) : first.states;
  const rows = Map.groupBy(states, ({ name }) => name);
  return new Map(
    units.map((unit) => [unit.name, { ...unit, revision, states: rows.get(unit.name) ?? [] }]),
  );
}
