// What a leader does now and then: has old history forgotten, and clears what absent machines left behind.
// Invariant: fenced like every write of a term; a failure is logged and tried again the next time.
import { isFleetError } from '../model/errors.ts';
import { ABSENT_KEPT_MS, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { Host, MachineId } from '../model/machine.ts';
import type { UnitName } from '../model/unit.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { commit, type Fence } from '../registry/commit.ts';
import { readRecord, type Registry } from '../registry/registry.ts';
import type { Compare, Operation, Revision } from '../store/kv.ts';
import { forgetHistory } from './history.ts';

export interface HouseDeps extends Registry {
  readonly clock: Clock;
  readonly log: Log;
  readonly fence: Fence;
  /** Machines that are believed absent. */
  readonly absent: () => readonly Readonly<{ id: MachineId; host: Host | undefined }>[];
  /** Global units that were destroyed: their keys hold the mark for hosts that have not seen it yet. */
  readonly destroyedGlobals: () => readonly Readonly<{ name: UnitName; revision: Revision }>[];
  /** Units of which this machine may have reported a row. */
  readonly reportedBy: (id: MachineId) => readonly UnitName[];
  /** Up to which the term's picture of the cluster is true. */
  readonly revision: () => Revision;
  /** Told of a machine of which nothing is left in the store. */
  readonly forgotten: (id: MachineId) => void;
}

/** How long a mark stays at the least: a host that has just begun to load the unit has no row yet. */
const KEEP_MARK_MS = 10 * 60_000;
const ROUND_MS = 5_000;
/** After a failure of what is done seldom. */
const RETRY_MS = 60_000;

/** Runs until aborted. */
export async function keepHouse(deps: HouseDeps, signal: AbortSignal): Promise<never> {
  const { clock, log } = deps;
  const cleared = new Set<MachineId>();
  const marked = new Map<Revision, number>();
  let lookAtMs = clock.now();
  for (;;) {
    await clock.sleep(ROUND_MS, signal);
    try {
      await clearAbsent(deps, cleared, signal);
      await clearGlobals(deps, marked, signal);
      if (clock.now() >= lookAtMs) {
        lookAtMs = clock.now() + RETRY_MS;
        await forgetLongGone(deps, signal);
        lookAtMs = clock.now() + (await forgetHistory(deps, signal));
      }
    } catch (error) {
      if (!isFleetError(error) || isFleetError(error, 'LEADERSHIP_LOST')) throw error;
      log.warn({ code: error.code, err: error.message }, 'housekeeping failed, trying again');
    }
  }
}

/** Deletes the rows that absent machines reported: readers hide them already. */
async function clearAbsent(
  deps: HouseDeps,
  cleared: Set<MachineId>,
  signal: AbortSignal,
): Promise<void> {
  const absent = new Set(deps.absent().map(({ id }) => id));
  for (const id of cleared) if (!absent.has(id)) cleared.delete(id);
  const fresh = new Set([...absent].filter((id) => !cleared.has(id)));
  if (fresh.size === 0) return;
  for (const id of fresh) {
    const rows = await rowsOf(deps, id, signal);
    const operations = rows.map((key): Operation => ({ kind: 'delete', key }));
    // It may be back, and the picture not know it yet: what it says now is true.
    const isGone: Compare = { key: deps.keys.machine(id), target: 'create', equals: 0n };
    for (let i = 0; i < operations.length; i += TXN_OPERATIONS_MAX)
      await fenced(deps, operations.slice(i, i + TXN_OPERATIONS_MAX), signal, [isGone]);
    cleared.add(id);
  }
}

/** Forgets machines that have not returned for so long that nobody expects it: their marks, then what is remembered of them. */
async function forgetLongGone(deps: HouseDeps, signal: AbortSignal): Promise<void> {
  const { kv, keys, clock, fence, log } = deps;
  const oldMs = clock.wallNow() - ABSENT_KEPT_MS;
  for (const { id, host } of deps.absent()) {
    if (host?.absentSinceMs === undefined || host.absentSinceMs > oldMs) continue;
    const { kvs } = await kv.range(keys.scheduleOf(id), {}, signal);
    const marks = kvs.filter((held) => readRecord(deps, 'assignment', held)?.release === true);
    const writes = marks.map(({ key, modRevision }) => ({
      compares: [{ key, equals: modRevision }],
      operations: [{ kind: 'delete', key } as const],
    }));
    const { lost } = await commit(kv, fence, writes, signal);
    // What is lost there waits for it still.
    if (lost.length > 0 || marks.length < kvs.length) continue;
    await fenced(deps, [{ kind: 'delete', key: keys.host(id) }], signal);
    deps.forgotten(id);
    log.info({ machine: id, kind: 'forgotten' }, 'machine has not returned, forgetting it');
  }
}

/** Deletes the keys of destroyed global units that every machine has dropped; none while a machine is away that might return. */
async function clearGlobals(
  deps: HouseDeps,
  marked: Map<Revision, number>,
  signal: AbortSignal,
): Promise<void> {
  const { keys, clock, kv, fence } = deps;
  const globals = deps.destroyedGlobals();
  const known = new Set(globals.map(({ revision }) => revision));
  for (const revision of marked.keys()) if (!known.has(revision)) marked.delete(revision);
  for (const { name, revision } of globals) {
    const since = marked.get(revision) ?? clock.now();
    marked.set(revision, since);
    if (clock.now() - since < KEEP_MARK_MS || deps.absent().length > 0) continue;
    const rows = await kv.range(keys.statesOf(name), { keysOnly: true, limit: 1 }, signal);
    if (rows.kvs.length > 0) continue;
    const key = keys.global(name);
    await kv.txn(
      {
        compares: [
          { key: fence.key, target: 'create', equals: fence.createRevision },
          { key, target: 'mod', equals: revision },
        ],
        then: [{ kind: 'delete', key }],
      },
      signal,
    );
  }
}

/**
 * Keys of what the machine may have reported, state rows and orphans: it writes them anew when it is back. Of all rows that there are,
 * few are its own: they are not listed.
 */
async function rowsOf(
  { kv, keys, reportedBy }: HouseDeps,
  id: MachineId,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const asked = reportedBy(id).map((name) => keys.state(name, id));
  const rows: string[] = [];
  for (let from = 0; from < asked.length; from += TXN_OPERATIONS_MAX) {
    const some = asked.slice(from, from + TXN_OPERATIONS_MAX);
    const { gets } = await kv.txn({ then: some.map((key) => ({ kind: 'get', key })) }, signal);
    for (const found of gets) if (found !== undefined) rows.push(found.key);
  }
  const { kvs } = await kv.range(keys.orphansOf(id), { keysOnly: true }, signal);
  return [...rows, ...kvs.map(({ key }) => key)];
}

async function fenced(
  { kv, fence }: HouseDeps,
  operations: readonly Operation[],
  signal: AbortSignal,
  compares: readonly Compare[] = [],
): Promise<void> {
  await kv.txn(
    {
      compares: [{ key: fence.key, target: 'create', equals: fence.createRevision }, ...compares],
      then: operations,
    },
    signal,
  );
}
