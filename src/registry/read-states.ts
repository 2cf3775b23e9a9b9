// What present machines report, in systemd's words, orphans included: the rows of list-units, in pages of one revision.
// Invariant: a row of a machine that is absent, or that has booted since, is never shown.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Orphan, UnitState } from '../model/unit-state.ts';
import type { UnitName } from '../model/unit.ts';
import type { KeyValue, Revision } from '../store/kv.ts';
import { isCurrent, type MachineCache, type Machines } from './presence.ts';
import type { Cursor, Page } from './read-units.ts';
import { pagesOf, readRecord, type Registry } from './registry.ts';

export type StateRow =
  Readonly<{ kind: 'state'; state: UnitState }> | Readonly<{ kind: 'orphan'; state: Orphan }>;

export interface StateOptions {
  readonly limit: number;
  readonly cursor?: Cursor;
  readonly unitName?: UnitName;
  readonly machineId?: MachineId;
}

/** One page of rows: what hosts report of the cluster's units by name and machine, then what they run unknown to it. */
export async function listStates(
  registry: Registry,
  machines: MachineCache,
  options: StateOptions,
  signal: AbortSignal,
): Promise<Page<StateRow>> {
  const rows: StateRow[] = [];
  let last = '';
  let revision = options.cursor?.revision ?? 0n;
  for await (const found of rowsFrom(registry, machines, options, signal)) {
    revision = found.revision;
    if (found.row === undefined) continue;
    if (rows.length === options.limit) return { rows, revision, next: { revision, after: last } };
    rows.push(found.row);
    last = found.key;
    if (rows.length === options.limit && found.isFollowed === true)
      return { rows, revision, next: { revision, after: last } };
  }
  return { rows, revision };
}

interface Found {
  readonly key: string;
  readonly revision: Revision;
  /** Absent where only the revision is known yet. */
  readonly row?: StateRow;
  /** It is the last of what was read, and keys follow that were not. */
  readonly isFollowed?: boolean;
}

async function* rowsFrom(
  registry: Registry,
  cache: MachineCache,
  options: StateOptions,
  signal: AbortSignal,
): AsyncGenerator<Found> {
  const { keys } = registry;
  const { unitName, machineId, cursor } = options;
  const states = unitName === undefined ? keys.states : keys.statesOf(unitName);
  const orphans = machineId === undefined ? keys.orphans : keys.orphansOf(machineId);
  const isFiltered = machineId !== undefined;
  let revision = cursor?.revision;
  for (const prefix of [states, orphans]) {
    const isBehind = cursor !== undefined && prefix === states && !cursor.after.startsWith(prefix);
    if (isBehind) continue; // that listing has come to the orphans already
    const range = {
      limit: isFiltered ? RANGE_PAGE_KEYS : Math.min(options.limit + 1, RANGE_PAGE_KEYS),
      ...(revision === undefined ? {} : { revision }),
      ...(cursor?.after.startsWith(prefix) === true ? { after: cursor.after } : {}),
    };
    for await (const page of pagesOf(registry, prefix, range, signal)) {
      revision = page.revision;
      yield { key: '', revision };
      const present = await presentAmong(page.kvs, revision);
      for (const kv of page.kvs) {
        const row = readRow(registry, kv, present);
        if (row === undefined) continue;
        if (unitName !== undefined && row.state.name !== unitName) continue;
        if (machineId !== undefined && row.state.machine !== machineId) continue;
        yield { key: kv.key, revision, row, isFollowed: page.more && kv === page.kvs.at(-1) };
      }
    }
  }

  async function presentAmong(kvs: readonly KeyValue[], at: Revision): Promise<Machines> {
    if (unitName === undefined && machineId === undefined)
      return await cache.at(registry, at, signal); // once for all pages
    const ids = new Set(kvs.map(({ key }) => machineOf(registry, key)));
    return await cache.those(registry, ids, at, signal);
  }
}

/** The machine that a row's key names: last in that of a state, first in that of an orphan. */
function machineOf({ keys }: Registry, key: string): MachineId {
  const parts = key.startsWith(keys.orphans)
    ? key.slice(keys.orphans.length).split('/')[0]
    : key.slice(key.lastIndexOf('/') + 1);
  return (parts ?? '') as MachineId; // only compared, and looked up
}

function readRow(registry: Registry, kv: KeyValue, machines: Machines): StateRow | undefined {
  if (kv.key.startsWith(registry.keys.orphans)) {
    const state = readRecord(registry, 'orphan', kv);
    return state !== undefined && machines.has(state.machine)
      ? { kind: 'orphan', state }
      : undefined;
  }
  const state = readRecord(registry, 'state', kv);
  return state !== undefined && isCurrent(state, machines) ? { kind: 'state', state } : undefined;
}
