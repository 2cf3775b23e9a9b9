// One process at a time uses a store's file. The lock is one of SQLite's on a side file, so that it ends with its process, however that ends.
// Invariant: who holds the lock has put its pid beside it; the pid only helps a person, and decides nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { FleetError } from '../../model/errors.ts';
import { isBusy, isSqlite } from './sqlite-errors.ts';
import { cannotOpen, openDatabase } from './sqlite-open.ts';

/** Takes the lock of the store at `path`; answers what lets it go. Throws STORE_IN_USE when another holds it. */
export function lockFile(path: string): () => void {
  const lock = openDatabase(`${path}.lock`, 0);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (!isBusy(error)) throw isSqlite(error) ? cannotOpen(path, error) : error;
    const pid = holder(path);
    const who = pid === undefined ? 'another process' : `the process '${pid}'`;
    throw new FleetError('STORE_IN_USE', `the store '${path}' is in use by ${who}`, {
      cause: error,
      hint: 'Stop the other fleetd, or give this one a state_directory of its own.',
      details: pid === undefined ? { path } : { path, pid },
    });
  }
  writeFileSync(`${path}.pid`, `${process.pid}\n`);
  return () => lock.close();
}

function holder(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(`${path}.pid`, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined; // the other is just starting, or its directory is not ours to read: the message does without
  }
}
