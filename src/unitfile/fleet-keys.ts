// The keys of [X-Fleet]: fleet 1.0's, their older spellings, and names kept for later.

/** What a key asks for. */
export type FleetKeyKind =
  | 'machineId'
  | 'metadata'
  | 'machineOf'
  | 'conflicts'
  | 'replaces'
  | 'global'
  | 'bootWithoutStore'
  | 'fence'
  | 'onPartition'
  | 'runtime';

/** Every key that is taken; the X- ones are spellings from before fleet 0.8. */
export const FLEET_KEYS: ReadonlyMap<string, FleetKeyKind> = new Map([
  ['MachineID', 'machineId'],
  ['MachineMetadata', 'metadata'],
  ['MachineOf', 'machineOf'],
  ['Conflicts', 'conflicts'],
  ['Replaces', 'replaces'],
  ['Global', 'global'],
  ['BootWithoutStore', 'bootWithoutStore'],
  ['Fence', 'fence'],
  ['OnPartition', 'onPartition'],
  ['Runtime', 'runtime'],
  ['X-ConditionMachineID', 'machineId'],
  // A boot id was never matched against anything but machine ids: the original kept it so that the unit would not run just anywhere.
  ['X-ConditionMachineBootID', 'machineId'],
  ['X-ConditionMachineMetadata', 'metadata'],
  ['X-ConditionMachineOf', 'machineOf'],
  ['X-Conflicts', 'conflicts'],
]);

/** Names that mean something in a later version. */
export const LATER_KEYS: ReadonlySet<string> = new Set([
  'Prefers',
  'Avoids',
  'Spread',
  'MaxPerMachine',
  'MemoryReserve',
  'CPUReserve',
  'Sticky',
  'Weight',
  'Move',
]);

/** The known key that takes the fewest edits to get to; case counts for little. */
export function nearestFleetKey(name: string): string {
  const wanted = name.slice(0, 64).toLowerCase();
  let nearest = '';
  let fewest = Number.POSITIVE_INFINITY;
  for (const key of FLEET_KEYS.keys()) {
    const edits = editDistance(wanted, key.toLowerCase());
    if (edits < fewest) [nearest, fewest] = [key, edits];
  }
  return nearest;
}

/** Insertions, deletions and replacements from one text to the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j += 1) {
      const replaced = (row[j] ?? 0) + (to[j] === from[i] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
