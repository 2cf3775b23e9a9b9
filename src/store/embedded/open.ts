// Opens the store of a fleetd without etcd: on disk, or in memory for tests and the simulation.
import type { Clock } from '../../runtime/clock.ts';
import { MemoryStore } from './memory.ts';
import { SqliteJournal } from './sqlite.ts';

/** Where the data is. */
export type EmbeddedStoreOptions =
  Readonly<{ path: string; clock: Clock }> | Readonly<{ memory: true; clock: Clock }>;

/** Opens the store; throws STORE_IN_USE or STORE_FILE_INVALID. The directory of `path` must exist. */
export function openEmbeddedStore(options: EmbeddedStoreOptions): MemoryStore {
  const { clock } = options;
  if ('memory' in options) return new MemoryStore({ clock });
  return new MemoryStore({ clock, journal: new SqliteJournal(options.path, clock) });
}
