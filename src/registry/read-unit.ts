// All that the store knows of one unit: for a single GET, and for explaining why it is not as desired.
import { TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Machine, MachineId } from '../model/machine.ts';
import type { Pending } from '../model/refusal.ts';
import type { UnitState } from '../model/unit-state.ts';
import type { Placement, UnitName } from '../model/unit.ts';
import type { KeyValue, Operation, Revision } from '../store/kv.ts';
import { readAway, type Away } from './read-away.ts';
import { isCurrent, type Machines } from './presence.ts';
import { unitRow, type UnitRow } from './read-units.ts';
import { pagesOf, readRecord, type Registry } from './registry.ts';
import type { RecordKind, Records } from './codec.ts';
import { RANGE_PAGE_KEYS } from '../model/limits.ts';

export interface UnitFacts {
  readonly row: UnitRow;
  readonly revision: Revision;
  /** The unit file; absent when the unit was replaced and its old file collected while this was read. */
  readonly text: string | undefined;
  /** Rows of present machines, in order of id. */
  readonly states: readonly UnitState[];
  /** What is placed, also of a unit that is global now. */
  readonly placed: Placement | undefined;
  readonly pending: Pending | undefined;
  /** Its machine goes in good order: it stops the unit and hands it over. */
  readonly isLeaving: boolean;
  /** What is recorded of its machine, where that is absent. */
  readonly away: Away | undefined;
  /** Whether an engine leads: without one, nothing is placed. */
  readonly led: boolean;
}

/** Everything about one unit; undefined where there is none, or its record cannot be read. */
export async function readUnit(
  registry: Registry,
  name: UnitName,
  signal: AbortSignal,
): Promise<UnitFacts | undefined> {
  const { keys, kv } = registry;
  const first = await kv.txn(
    { then: [keys.unit(name), keys.placed(name), keys.pending(name), keys.leader].map(get) },
    signal,
  );
  const [unitKv, placedKv, pendingKv, leaderKv] = first.gets;
  const unit = readFound(registry, 'unit', unitKv);
  if (unit === undefined) return undefined;
  const placed = readFound(registry, 'placement', placedKv);
  const { revision } = first;
  const rows = await rowsOf(registry, name, revision, signal);
  const ids = new Set(rows.map((row) => row.machine));
  if (placed !== undefined) ids.add(placed.machine);
  const { text, machines } = await fileAndMachines(registry, unit.sha256, [...ids], signal);
  const placedRow = rows.find((row) => row.machine === placed?.machine);
  const row = unitRow(unit, placed, placedRow, machines);
  const away =
    placed !== undefined && row.current === 'lost'
      ? await readAway(registry, placed.machine, signal)
      : undefined;
  const isKept = placed !== undefined && !placed.release && row.current !== 'lost';
  const isSettled = row.global || isKept || unit.desiredState === 'inactive';
  return {
    row,
    revision,
    text,
    states: rows.filter((state) => isCurrent(state, machines)),
    placed,
    pending: isSettled ? undefined : readFound(registry, 'pending', pendingKv),
    isLeaving: placed !== undefined && machines.get(placed.machine)?.leaving === true,
    away,
    led: leaderKv !== undefined,
  };
}

async function rowsOf(
  registry: Registry,
  name: UnitName,
  revision: Revision,
  signal: AbortSignal,
): Promise<readonly UnitState[]> {
  const rows: UnitState[] = [];
  const options = { limit: RANGE_PAGE_KEYS, revision };
  for await (const page of pagesOf(registry, registry.keys.statesOf(name), options, signal))
    for (const kv of page.kvs) rows.push(...[readRecord(registry, 'state', kv) ?? []].flat());
  return rows;
}

/** The unit's text and the machines with these ids that are there, in transactions of as many gets as one may hold. */
async function fileAndMachines(
  registry: Registry,
  sha256: string,
  ids: readonly MachineId[],
  signal: AbortSignal,
): Promise<{ readonly text: string | undefined; readonly machines: Machines }> {
  const { keys, kv } = registry;
  const wanted = [keys.file(sha256), ...ids.map((id) => keys.machine(id))];
  const found: (KeyValue | undefined)[] = [];
  for (let from = 0; from < wanted.length; from += TXN_OPERATIONS_MAX) {
    const some = wanted.slice(from, from + TXN_OPERATIONS_MAX);
    found.push(...(await kv.txn({ then: some.map(get) }, signal)).gets);
  }
  const [file, ...machineKvs] = found;
  const machines = new Map<MachineId, Machine>();
  for (const machineKv of machineKvs) {
    const machine = readFound(registry, 'machine', machineKv);
    if (machine !== undefined) machines.set(machine.id, machine);
  }
  return { text: file?.value, machines };
}

function readFound<K extends RecordKind>(
  registry: Registry,
  kind: K,
  kv: KeyValue | undefined,
): Records[K] | undefined {
  return kv === undefined ? undefined : readRecord(registry, kind, kv);
}

function get(key: string): Operation {
  return { kind: 'get', key };
}
