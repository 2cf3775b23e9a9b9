// Which machine should take a unit: the least loaded one that may, the lowest id where two are alike.
// Invariant: machines are asked in that order and no further than the first that does not refuse.
import assert from 'node:assert/strict';
import type { MetadataRequirement } from '../model/requirements.ts';
import type { ClusterPicture } from './cluster.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import type { Filters } from './filters.ts';
import { FILTERS, refusalOf } from './filters.ts';

/** The machine to place the unit on, or undefined when all refuse. */
export function pickMachine(
  picture: ClusterPicture,
  unit: UnitEntry,
  filters: Filters = FILTERS,
): MachineEntry | undefined {
  for (const machine of candidatesFor(picture, unit))
    if (refusalOf(filters.take, unit, machine, picture) === undefined) return machine;
  return undefined;
}

/** The candidates that an index can tell apart from the rest, in the order of preference: all that may take the unit are among them. */
function candidatesFor(picture: ClusterPicture, { needs }: UnitEntry): Iterable<MachineEntry> {
  const { candidates } = picture;
  if (needs.machineId !== undefined) return candidates.withId(needs.machineId);
  for (const name of needs.machineOf) {
    const peer = picture.unit(name);
    if (peer?.globalActive === true) continue;
    const at = peer?.at;
    return at?.candidate === true ? [at] : [];
  }
  if (needs.metadata.length === 0) return candidates.all();
  const { key, values } = rarestOf(candidates, needs.metadata);
  return candidates.withMetadata(key, values);
}

/** Of several requirements, at least one, that which the fewest candidates fulfil. */
export function rarestOf(
  candidates: ClusterPicture['candidates'],
  metadata: readonly MetadataRequirement[],
): MetadataRequirement {
  const [first, ...others] = metadata;
  assert(first !== undefined);
  let rarest = first;
  let count = candidates.countWith(first.key, first.values);
  for (const other of others) {
    const fewer = candidates.countWith(other.key, other.values);
    if (fewer < count) [rarest, count] = [other, fewer];
  }
  return rarest;
}
