// What is still about of a name that the cluster has no unit of: a destroyed unit until its hosts let go of it, and orphans.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { Placement, UnitName } from '../model/unit.ts';
import type { MachineCache } from './presence.ts';
import { listStates, type StateRow } from './read-states.ts';
import { readRecord, type Registry } from './registry.ts';

export interface UnitLeft {
  readonly name: UnitName;
  /** Its last placement, until the machine has handed it over. */
  readonly placed: Placement | undefined;
  /** What present machines report of it. */
  readonly rows: readonly StateRow[];
}

/** What is left of a unit without a record; undefined where nothing is. */
export async function readLeft(
  registry: Registry,
  machines: MachineCache,
  name: UnitName,
  signal: AbortSignal,
): Promise<UnitLeft | undefined> {
  const { keys, kv } = registry;
  const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.placed(name) }] }, signal);
  const [found] = gets;
  const placed = found === undefined ? undefined : readRecord(registry, 'placement', found);
  const options = { limit: RANGE_PAGE_KEYS, unitName: name };
  const { rows } = await listStates(registry, machines, options, signal);
  return placed === undefined && rows.length === 0 ? undefined : { name, placed, rows };
}
