// Units as users see them: what was asked for, where it is placed, and what has come of it, in pages of one revision.
// Invariant: every fact of one page was true at the page's revision; what cannot be read is passed over.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { UnitState } from '../model/unit-state.ts';
import type { DesiredState, Placement, Unit, UnitName } from '../model/unit.ts';
import type { KeyValue, Revision } from '../store/kv.ts';
import { isCurrent, type MachineCache, type Machines } from './presence.ts';
import { isGlobal, pagesOf, readRecord, type Registry } from './registry.ts';

/** Where to go on: at this revision, behind this key. */
export interface Cursor {
  readonly revision: Revision;
  readonly after: string;
}

export interface Page<T> {
  readonly rows: readonly T[];
  readonly revision: Revision;
  /** Absent on the last page. */
  readonly next?: Cursor;
}

export interface UnitRow {
  readonly unit: Unit;
  readonly global: boolean;
  readonly placed?: Placement;
  /** What the machine in `placed` reports, if it is there. */
  readonly state?: UnitState;
  /** Absent for a global unit. `lost`: placed on a machine that is absent. */
  readonly current?: DesiredState | 'lost';
}

/** One page of units in order of name, from the beginning or where `cursor` says; throws STORE_COMPACTED for one too old. */
export async function listUnits(
  registry: Registry,
  machines: MachineCache,
  options: Readonly<{ limit: number; cursor?: Cursor }>,
  signal: AbortSignal,
): Promise<Page<UnitRow>> {
  const { keys, kv } = registry;
  const { limit, cursor } = options;
  const page = await kv.range(keys.units, { limit, ...cursor }, signal);
  const { revision } = page;
  const units = page.kvs.flatMap((found) => readRecord(registry, 'unit', found) ?? []);
  const present = await machines.at(registry, revision, signal);
  const placed = await placementsOf(registry, units, revision, signal);
  const states = await statesOfPlaced(registry, placed, revision, signal);
  const rows = units.map((unit) =>
    unitRow(unit, placed.get(unit.name), states.get(unit.name), present),
  );
  const last = page.kvs.at(-1);
  if (!page.more || last === undefined) return { rows, revision };
  return { rows, revision, next: { revision, after: last.key } };
}

/** What is to be said of one unit, from its records. */
export function unitRow(
  unit: Unit,
  placed: Placement | undefined,
  state: UnitState | undefined,
  machines: Machines,
): UnitRow {
  const global = isGlobal(unit.name, unit.options);
  if (global) return { unit, global };
  const row = state !== undefined && isCurrent(state, machines) ? state : undefined;
  return {
    unit,
    global,
    ...(placed === undefined ? {} : { placed }),
    ...(row === undefined ? {} : { state: row }),
    current: currentState(unit, placed, row, machines),
  };
}

/**
 * DESIGN §5: inactive, loaded with a row of the placed machine, launched when this generation was started there. While a unit is not
 * to be launched any more it is still launched as long as its host says so.
 */
function currentState(
  unit: Unit,
  placed: Placement | undefined,
  row: UnitState | undefined,
  machines: Machines,
): DesiredState | 'lost' {
  if (placed === undefined) return 'inactive';
  if (!machines.has(placed.machine)) return 'lost';
  if (row === undefined || row.machine !== placed.machine) return 'inactive';
  const started = row.started !== undefined && row.started === row.generation;
  if (!started) return 'loaded';
  const isWanted = unit.desiredState === 'launched' && !placed.release;
  return isWanted && row.generation !== unit.generation ? 'loaded' : 'launched';
}

/** The placements of `units`, which are in order of name. */
async function placementsOf(
  registry: Registry,
  units: readonly Unit[],
  revision: Revision,
  signal: AbortSignal,
): Promise<ReadonlyMap<UnitName, Placement>> {
  const placements = new Map<UnitName, Placement>();
  const first = units[0]?.name;
  const last = units.at(-1)?.name;
  if (first === undefined || last === undefined) return placements;
  const take = (kv: KeyValue): void => {
    const placement = readRecord(registry, 'placement', kv);
    if (placement !== undefined) placements.set(placement.name, placement);
  };
  const options = {
    limit: units.length + 1,
    revision,
    after: keyBefore(registry.keys.placed(first)),
  };
  for await (const page of pagesOf(registry, registry.keys.placements, options, signal)) {
    for (const kv of page.kvs) {
      if (kv.key > registry.keys.placed(last)) return placements;
      take(kv);
    }
  }
  return placements;
}

/** The row that each placed unit's own machine reports. Skips over what lies between: a global unit has a row a machine. */
async function statesOfPlaced(
  registry: Registry,
  placed: ReadonlyMap<UnitName, Placement>,
  revision: Revision,
  signal: AbortSignal,
): Promise<ReadonlyMap<UnitName, UnitState>> {
  const { kv, keys } = registry;
  const states = new Map<UnitName, UnitState>();
  const wanted = [...placed.values()]
    .map(({ name, machine }) => ({ name, machine, key: keys.state(name, machine) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  let at = 0;
  for (let next = wanted[at]; next !== undefined; next = wanted[at]) {
    const limit = Math.min(wanted.length - at + 1, RANGE_PAGE_KEYS);
    const page = await kv.range(
      keys.states,
      { revision, after: keyBefore(next.key), limit },
      signal,
    );
    const found = new Map(page.kvs.map((row) => [row.key, row]));
    const end = page.more ? page.kvs.at(-1)?.key : undefined;
    for (; at < wanted.length; at += 1) {
      const one = wanted[at];
      if (one === undefined || (end !== undefined && one.key > end)) break;
      const row = found.get(one.key);
      const state = row === undefined ? undefined : readRecord(registry, 'state', row);
      if (state !== undefined) states.set(one.name, state);
    }
  }
  return states;
}

/** A key such that a range behind it begins with `key`: unit names and ids are ASCII, so nothing lies between. */
function keyBefore(key: string): string {
  return `${key.slice(0, -1)}${String.fromCharCode(key.charCodeAt(key.length - 1) - 1)}\x7f`;
}
