// Units as users see them: what was asked for, where it is placed, and what has come of it, in pages of one revision.
// Invariant: every fact of one page was true at the page's revision; what cannot be read is passed over.
import type { UnitState } from '../model/unit-state.ts';
import type { DesiredState, Placement, Unit, UnitName } from '../model/unit.ts';
import type { RangeResult, Revision } from '../store/kv.ts';
import { findRows, readStretch, type Stretch } from './find-rows.ts';
import { isCurrent, type MachineCache, type Machines } from './presence.ts';
import { isGlobal, readRecord, type Registry } from './registry.ts';

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
  const { page, placements, states, present } = await readPage(registry, machines, options, signal);
  const { revision } = page;
  const units = page.kvs.flatMap((found) => readRecord(registry, 'unit', found) ?? []);
  const placed = await placementsOf(registry, units, placements, signal);
  const reported = await reportsOf(registry, placed, states, signal);
  const rows = units.map((unit) =>
    unitRow(unit, placed.get(unit.name), reported.get(unit.name), present),
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

interface Beside {
  /** As many as there may be units in the page, behind the unit that the page before ended with. */
  readonly placements: Stretch;
  readonly states: Stretch;
  readonly present: Machines;
}

/** A page of units, and what there is likely to be asked of them: read at once where the revision is known, in two steps on the first page. */
async function readPage(
  registry: Registry,
  machines: MachineCache,
  { limit, cursor }: Readonly<{ limit: number; cursor?: Cursor }>,
  signal: AbortSignal,
): Promise<Beside & Readonly<{ page: RangeResult }>> {
  const { keys, kv } = registry;
  const readUnits = kv.range(keys.units, { limit, ...cursor }, signal);
  if (cursor === undefined) {
    const page = await readUnits;
    return { page, ...(await readBeside(page.revision, undefined)) };
  }
  const name = cursor.after.slice(keys.units.length) as UnitName; // of a token of ours
  const [page, beside] = await Promise.all([readUnits, readBeside(cursor.revision, name)]);
  return { page, ...beside };

  async function readBeside(revision: Revision, behind: UnitName | undefined): Promise<Beside> {
    const read = async (prefix: string, after: string | undefined): Promise<Stretch> =>
      await readStretch(registry, { prefix, revision, after }, limit, signal);
    const [placements, states, present] = await Promise.all([
      read(keys.placements, behind && keys.placed(behind)),
      read(keys.states, behind && `${keys.statesOf(behind)}\x7f`), // behind all its machines
      machines.at(registry, revision, signal),
    ]);
    return { placements, states, present };
  }
}

async function placementsOf(
  registry: Registry,
  units: readonly Unit[],
  known: Stretch,
  signal: AbortSignal,
): Promise<ReadonlyMap<UnitName, Placement>> {
  const { keys } = registry;
  const wanted = units.map(({ name }) => keys.placed(name));
  const rows = await findRows(registry, wanted, known, signal);
  const placements = new Map<UnitName, Placement>();
  for (const kv of rows) {
    const placement = readRecord(registry, 'placement', kv);
    if (placement !== undefined) placements.set(placement.name, placement);
  }
  return placements;
}

/** The row that each placed unit's own machine reports: of a global unit each machine has one. */
async function reportsOf(
  registry: Registry,
  placed: ReadonlyMap<UnitName, Placement>,
  known: Stretch,
  signal: AbortSignal,
): Promise<ReadonlyMap<UnitName, UnitState>> {
  const { keys } = registry;
  const wanted = [...placed.values()].map(({ name, machine }) => keys.state(name, machine)).sort();
  const rows = await findRows(registry, wanted, known, signal);
  const states = new Map<UnitName, UnitState>();
  for (const kv of rows) {
    const state = readRecord(registry, 'state', kv);
    if (state !== undefined) states.set(state.name, state);
  }
  return states;
}
