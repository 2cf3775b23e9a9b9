// Machines as users see them: those that are there, with overrides merged into their metadata, and those still remembered.
import { RANGE_PAGE_KEYS } from '../model/limits.ts';
import type { Host, Machine, MachineId, Metadata } from '../model/machine.ts';
import type { KeyValue, Revision } from '../store/kv.ts';
import { mergedMetadata } from '../scheduler/machine-filters.ts';
import type { Cursor, Page } from './read-units.ts';
import { pagesOf, readRecord, type Registry } from './registry.ts';

export interface MachineRow {
  readonly machine: Machine;
  /** With the overrides; keys in code unit order. */
  readonly metadata: Metadata;
}

/** One page of the machines that are present, in order of id. */
export async function listMachines(
  registry: Registry,
  options: Readonly<{ limit: number; cursor?: Cursor }>,
  signal: AbortSignal,
): Promise<Page<MachineRow>> {
  const { keys, kv } = registry;
  const { limit, cursor } = options;
  const page = await kv.range(keys.machines, { limit, ...cursor }, signal);
  const { revision } = page;
  const machines = page.kvs.flatMap((found) => readRecord(registry, 'machine', found) ?? []);
  const overrides = await overridesOf(registry, machines, revision, signal);
  const rows = machines.map((machine) => ({
    machine,
    metadata: sorted(mergedMetadata(machine.metadata, overrides.get(machine.id) ?? new Map())),
  }));
  const last = page.kvs.at(-1);
  if (!page.more || last === undefined) return { rows, revision };
  return { rows, revision, next: { revision, after: last.key } };
}

/** What outlives the machines' leases, of all that were ever here. */
export async function listHosts(
  registry: Registry,
  revision: Revision,
  signal: AbortSignal,
): Promise<readonly Host[]> {
  const hosts: Host[] = [];
  const options = { limit: RANGE_PAGE_KEYS, revision };
  for await (const page of pagesOf(registry, registry.keys.hosts, options, signal))
    hosts.push(...page.kvs.flatMap((kv: KeyValue) => readRecord(registry, 'host', kv) ?? []));
  return hosts;
}

/** The overrides for `machines`, which are in order of id. */
async function overridesOf(
  registry: Registry,
  machines: readonly Machine[],
  revision: Revision,
  signal: AbortSignal,
): Promise<ReadonlyMap<MachineId, ReadonlyMap<string, string | undefined>>> {
  const overrides = new Map<MachineId, Map<string, string | undefined>>();
  const first = machines[0]?.id;
  const last = machines.at(-1)?.id;
  if (first === undefined || last === undefined) return overrides;
  const { keys } = registry;
  const end = `${keys.metadataOf(last)}\x7f`;
  const options = { limit: RANGE_PAGE_KEYS, revision, after: keys.metadataOf(first) };
  for await (const page of pagesOf(registry, keys.metadataAll, options, signal)) {
    for (const kv of page.kvs) {
      if (kv.key > end) return overrides;
      const override = readRecord(registry, 'metadata', kv);
      if (override === undefined) continue;
      const { machine, key, value } = override;
      const own = overrides.get(machine) ?? new Map<string, string | undefined>();
      overrides.set(machine, own.set(key, value));
    }
  }
  return overrides;
}

function sorted(metadata: Metadata): Metadata {
  return Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
}
