// Machine metadata as PATCH changes it: overrides beside what a machine's own configuration says; they survive the machine.
// Invariant: one PATCH is one transaction: all of it, or nothing.
import type { MetadataOverride } from '../model/machine.ts';
import type { Revision } from '../store/kv.ts';
import { encode } from './codec.ts';
import type { Registry } from './registry.ts';

/** Writes the overrides; of several for one key the last counts. At most TXN_OPERATIONS_MAX, or STORE_LIMIT. */
export async function patchMetadata(
  registry: Registry,
  overrides: readonly MetadataOverride[],
  signal: AbortSignal,
): Promise<Revision | undefined> {
  const values = new Map<string, string>();
  for (const override of overrides) {
    const key = registry.keys.metadata(override.machine, override.key);
    values.set(key, encode('metadata', override));
  }
  if (values.size === 0) return undefined;
  const result = await registry.kv.txn(
    { then: [...values].map(([key, value]) => ({ kind: 'put', key, value })) },
    signal,
  );
  return result.revision;
}
