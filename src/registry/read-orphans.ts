// Orphans as they are read: what hosts report to run although no other key speaks of it.
// Invariant: only machines that are present count; what cannot be read is passed over.
import { RANGE_PAGE_KEYS, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Orphan } from '../model/unit-state.ts';
import type { UnitName } from '../model/unit.ts';
import type { KeyValue, Operation, Revision } from '../store/kv.ts';
import { pagesOf, readRecord, type Registry } from './registry.ts';

/** One orphan on a machine that is present. */
export interface FoundOrphan {
  readonly orphan: Orphan;
  readonly modRevision: Revision;
  /** Of `c/machine/ID`. */
  readonly machineCreated: Revision;
}

/** The orphans of one name, in order of their machines' ids. */
export async function findOrphans(
  registry: Registry,
  name: UnitName,
  signal: AbortSignal,
): Promise<readonly FoundOrphan[]> {
  const { keys, kv } = registry;
  const hits: string[] = [];
  const listing = { limit: RANGE_PAGE_KEYS, keysOnly: true };
  for await (const page of pagesOf(registry, keys.orphans, listing, signal))
    for (const { key } of page.kvs) if (key.endsWith(`/${name}`)) hits.push(key);
  const found: FoundOrphan[] = [];
  for (let from = 0; from < hits.length; from += TXN_OPERATIONS_MAX / 2) {
    const some = hits.slice(from, from + TXN_OPERATIONS_MAX / 2);
    const machineKeys = some.map((key) =>
      keys.machine(key.slice(keys.orphans.length).split('/')[0] as MachineId),
    );
    const then = [...some, ...machineKeys].map((key): Operation => ({ kind: 'get', key }));
    const { gets } = await kv.txn({ then }, signal);
    for (const [index] of some.entries()) {
      const one = foundOf(registry, gets[index], gets[some.length + index]);
      if (one !== undefined) found.push(one);
    }
  }
  return found;
}

function foundOf(
  registry: Registry,
  stored: KeyValue | undefined,
  machine: KeyValue | undefined,
): FoundOrphan | undefined {
  if (stored === undefined || machine === undefined) return undefined;
  const orphan = readRecord(registry, 'orphan', stored);
  if (orphan === undefined) return undefined;
  return { orphan, modRevision: stored.modRevision, machineCreated: machine.createRevision };
}
