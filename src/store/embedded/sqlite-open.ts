// Opens a database file; what SQLite then says becomes an expected failure with a hint.
import { DatabaseSync } from 'node:sqlite';
import { FleetError } from '../../model/errors.ts';
import { isSqlite } from './sqlite-errors.ts';

/** Opens `path`; waits up to `busyMs` for locks of others. Throws STORE_UNAVAILABLE. */
export function openDatabase(path: string, busyMs: number): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: busyMs });
  } catch (error) {
    throw isSqlite(error) ? cannotOpen(path, error) : error;
  }
}

/** The expected failure of a file that cannot be opened or read. */
export function cannotOpen(path: string, cause: Error): FleetError {
  return new FleetError('STORE_UNAVAILABLE', `the store file '${path}' cannot be opened`, {
    cause,
    hint: 'Look whether its directory exists, is writable and has space.',
    details: { path },
  });
}
