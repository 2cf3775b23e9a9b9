// The file of the embedded store: its tables, what is read from it at the start, and how a change becomes rows.
// Invariant: the rows are exactly the writes that Mvcc keeps, so that memory can be made again from them alone.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { FleetError } from '../../model/errors.ts';
import type { Change, JournalState } from './journal.ts';
import type { Write } from './mvcc.ts';
import { cannotOpen, openDatabase } from './sqlite-open.ts';
import { isDamage, isSqlite } from './sqlite-errors.ts';

/** 'flet': SQLite's application_id of our files. */
const APPLICATION_ID = 0x66_6c_65_74;
const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE writes (
    sequence INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT,               -- NULL: the key was deleted
    created INTEGER NOT NULL, -- revision in which the key came to be; 0 when deleted
    lease INTEGER
  ) STRICT;
  CREATE TABLE leases (id INTEGER PRIMARY KEY, ttl INTEGER NOT NULL) STRICT;
  CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** An open file. Every method blocks until the disk has answered. */
export class SqliteFile {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<{
    insert: StatementSync;
    drop: StatementSync;
    grant: StatementSync;
    end: StatementSync;
    fact: StatementSync;
  }>;

  /** Opens or makes the file; throws STORE_FILE_INVALID when it is something else, damaged, or of another version. */
  constructor(path: string) {
    this.#path = path;
    this.#database = openDatabase(path, 1000);
    try {
      this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      this.#prepareSchema();
      const prepare = (sql: string): StatementSync => this.#database.prepare(sql);
      this.#statements = {
        insert: prepare('INSERT INTO writes VALUES (?, ?, ?, ?, ?, ?)'),
        drop: prepare('DELETE FROM writes WHERE sequence = ?'),
        grant: prepare('INSERT INTO leases VALUES (?, ?)'),
        end: prepare('DELETE FROM leases WHERE id = ?'),
        fact: prepare('INSERT OR REPLACE INTO facts VALUES (?, ?)'),
      };
    } catch (error) {
      this.#database.close();
      throw this.#explained(error);
    }
    syncDirectory(dirname(path));
  }

  /** Reads all of it. */
  load(): JournalState {
    try {
      const facts = new Map<unknown, unknown>();
      for (const { name, value } of this.#rows('SELECT name, value FROM facts'))
        facts.set(name, value);
      const leases = new Map<string, number>();
      for (const { id, ttl } of this.#rows('SELECT id, ttl FROM leases'))
        leases.set(String(id), Number(ttl));
      const writes: Write[] = [];
      let last: Write | undefined;
      for (const row of this.#rows('SELECT * FROM writes ORDER BY sequence')) {
        const write = writeOf(row);
        if (write === undefined || (last !== undefined && write.revision < last.revision))
          throw this.#invalid('is damaged: its rows contradict each other', undefined);
        writes.push(write);
        last = write;
      }
      return {
        writes,
        leases,
        compacted: Number(facts.get('compacted') ?? 0),
        lastLease: Number(facts.get('last_lease') ?? 0),
      };
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Writes `changes` in one synced transaction: all of them, or none. */
  commit(changes: readonly Change[]): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const change of changes) this.#write(change);
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #write({ writes = [], granted, ended, compaction }: Change): void {
    const { insert, drop, grant, end, fact } = this.#statements;
    if (granted !== undefined) {
      grant.run(Number(granted.id), granted.ttlSec);
      fact.run('last_lease', Number(granted.id));
    }
    for (const { sequence, revision, key, kv, lease } of writes) {
      const created = kv === undefined ? 0 : Number(kv.createRevision);
      const id = lease === undefined ? null : Number(lease);
      insert.run(sequence, revision, key, kv?.value ?? null, created, id);
    }
    if (ended !== undefined) end.run(Number(ended));
    if (compaction !== undefined) {
      for (const { sequence } of compaction.dropped) drop.run(sequence);
      fact.run('compacted', compaction.revision);
    }
  }

  #prepareSchema(): void {
    const application = this.#pragma('application_id');
    const version = this.#pragma('user_version');
    if (application === APPLICATION_ID && version === SCHEMA_VERSION) return;
    const tables = this.#database.prepare('SELECT count(*) AS count FROM sqlite_schema').get();
    if (application === 0 && version === 0 && tables?.['count'] === 0) {
      this.#database.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
      return;
    }
    if (application !== APPLICATION_ID) throw this.#invalid('is not a store of fleet', undefined);
    throw this.#invalid(
      `has the format '${String(version)}', this fleetd knows '${SCHEMA_VERSION}'`,
      {
        hint: 'Run the fleetd that wrote it, or move the file away to begin with an empty store.',
      },
    );
  }

  #pragma(name: string): SQLOutputValue | undefined {
    return this.#database.prepare(`PRAGMA ${name}`).get()?.[name];
  }

  #rows(sql: string): Iterable<Record<string, SQLOutputValue>> {
    return this.#database.prepare(sql).iterate();
  }

  #explained(error: unknown): unknown {
    if (isDamage(error)) return this.#invalid('is damaged, or not a database', { cause: error });
    return isSqlite(error) ? cannotOpen(this.#path, error) : error;
  }

  #invalid(what: string, options: { cause?: unknown; hint?: string } | undefined): FleetError {
    return new FleetError('STORE_FILE_INVALID', `the store file '${this.#path}' ${what}`, {
      hint: 'Restore it from a backup, or move it away to begin with an empty store; running units stay up.',
      details: { path: this.#path },
      ...options,
    });
  }
}

function writeOf(row: Record<string, SQLOutputValue>): Write | undefined {
  const { sequence, revision, key, value, created, lease } = row;
  if (typeof sequence !== 'number' || typeof revision !== 'number' || typeof key !== 'string')
    return undefined;
  const held = lease === null ? {} : { lease: String(lease) };
  const kv =
    typeof value === 'string'
      ? {
          key,
          value,
          createRevision: BigInt(Number(created)),
          modRevision: BigInt(revision),
          ...held,
        }
      : undefined;
  return { sequence, revision, key, kv, lease: held.lease };
}

/** So that the file's name is as durable as what is in it. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
