// Writes what a host reports: state rows and orphans, only those that changed; and hands schedule keys over.
// Invariant: writes follow each other, so that a row never comes back behind its deletion.
import { FleetError } from '../model/errors.ts';
import { TXN_MAX_BYTES, TXN_OPERATIONS_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Orphan, UnitState } from '../model/unit-state.ts';
import type { UnitName } from '../model/unit.ts';
import type { Compare, Kv, Operation } from '../store/kv.ts';
import { encode } from './codec.ts';
import type { Keys } from './keys.ts';

export interface Report {
  readonly states: ReadonlyMap<UnitName, UnitState>;
  readonly orphans: ReadonlyMap<UnitName, Orphan>;
  /** More names whose rows may stand in the store from before: deleted there if not reported. */
  readonly known: Iterable<UnitName>;
}

export interface HandOver {
  readonly name: UnitName;
  /** Mod revision of the schedule key. */
  readonly revision: bigint;
}

/** operations; a hand-over deletes two keys, and one compare is of the machine. */
const HAND_OVERS_A_TXN = Math.floor((TXN_OPERATIONS_MAX - 1) / 2);
/** bytes; leaves room for keys and framing. */
const BATCH_MAX_BYTES = TXN_MAX_BYTES / 2;

/** Value by key, '' for none; a key that is not in here was not read yet. */
type Rows = Map<string, string>;

/** What is known of the host's rows in the store. */
class Stored {
  readonly rows: Rows = new Map();
  orphansRead = false;
}

/** One host's rows in the store, and what the store is known to hold of them. */
export class HostReport {
  readonly #kv: Kv;
  readonly #keys: Keys;
  readonly #machine: MachineId;
  /** What a write under way has read goes with what was forgotten meanwhile. */
  #stored = new Stored();
  #last: Promise<unknown> = Promise.resolve();

  constructor(kv: Kv, keys: Keys, machine: MachineId) {
    this.#kv = kv;
    this.#keys = keys;
    this.#machine = machine;
  }

  /** From now on the store's rows are read again before they are written: others may have changed them. */
  forget(): void {
    this.#stored = new Stored();
  }

  /** Makes the store say what `report` says. Answers the number of keys that were written. */
  write(report: () => Report, signal: AbortSignal): Promise<number> {
    return this.#inTurn(async () => {
      const stored = this.#stored;
      await this.#readOrphans(stored, signal);
      const { states, orphans, known } = report(); // now, not when it was queued
      const values = new Map<string, string>();
      for (const name of known) values.set(this.#keys.state(name, this.#machine), '');
      for (const [name, row] of states)
        values.set(this.#keys.state(name, this.#machine), encode('state', row));
      for (const [name, row] of orphans)
        values.set(this.#keys.orphan(this.#machine, name), encode('orphan', row));
      const { rows } = stored;
      const gone = [...rows.keys()].filter((key) => !values.has(key));
      for (const key of gone) values.set(key, '');
      await this.#readMissing(rows, [...values.keys()], signal);
      const changed = [...values].filter(([key, value]) => rows.get(key) !== value);
      for (const batch of batches(changed)) await this.#put(rows, batch, signal);
      // Names of the past must not pile up.
      for (const key of gone) rows.delete(key);
      return changed.length;
    });
  }

  /**
   * Deletes schedule keys with their rows, each as it was at its revision. Answers those that were not as expected. With `leaving`, what this
   * machine's key says of one that leaves: throws REGISTRY_BUSY where it says something else, so that no late request takes a unit from the
   * fleetd that follows.
   */
  handOver(
    items: readonly HandOver[],
    leaving: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly UnitName[]> {
    const own: readonly Compare[] =
      leaving === undefined
        ? []
        : [{ key: this.#keys.machine(this.#machine), target: 'value', equals: leaving }];
    return this.#inTurn(async () => {
      const lost: UnitName[] = [];
      for (let at = 0; at < items.length; at += HAND_OVERS_A_TXN)
        lost.push(
          ...(await this.#handOverSome(items.slice(at, at + HAND_OVERS_A_TXN), own, signal)),
        );
      return lost;
    });
  }

  async #handOverSome(
    items: readonly HandOver[],
    own: readonly Compare[],
    signal: AbortSignal,
  ): Promise<readonly UnitName[]> {
    if (items.length === 0) return [];
    const keyOf = ({ name }: HandOver): string => this.#keys.schedule(this.#machine, name);
    const rowOf = ({ name }: HandOver): string => this.#keys.state(name, this.#machine);
    for (const item of items) this.#stored.rows.delete(rowOf(item)); // unknown until the answer is there
    const result = await this.#kv.txn(
      {
        compares: [
          ...items.map((item): Compare => ({
            key: keyOf(item),
            target: 'mod',
            equals: item.revision,
          })),
          ...own,
        ],
        then: items.flatMap((item): Operation[] => [
          { kind: 'delete', key: keyOf(item) },
          { kind: 'delete', key: rowOf(item) },
        ]),
        else: items.map((item): Operation => ({ kind: 'get', key: keyOf(item) })),
      },
      signal,
    );
    if (result.succeeded) return [];
    const differs = (item: HandOver, index: number): boolean =>
      result.gets[index]?.modRevision !== item.revision;
    const lost = items.filter(differs).map(({ name }) => name);
    if (lost.length === 0)
      throw new FleetError('REGISTRY_BUSY', "this machine's key does not say that it leaves", {
        hint: 'It is tried again.',
      });
    const rest = items.filter((item, index) => !differs(item, index));
    return [...lost, ...(await this.#handOverSome(rest, own, signal))];
  }

  async #readOrphans(stored: Stored, signal: AbortSignal): Promise<void> {
    if (stored.orphansRead) return;
    const { kvs } = await this.#kv.range(this.#keys.orphansOf(this.#machine), {}, signal);
    for (const { key, value } of kvs) stored.rows.set(key, value);
    stored.orphansRead = true;
  }

  async #readMissing(rows: Rows, keys: readonly string[], signal: AbortSignal): Promise<void> {
    const missing = keys.filter((key) => !rows.has(key));
    for (let at = 0; at < missing.length; at += TXN_OPERATIONS_MAX) {
      const some = missing.slice(at, at + TXN_OPERATIONS_MAX);
      const then = some.map((key): Operation => ({ kind: 'get', key }));
      const { gets } = await this.#kv.txn({ then }, signal);
      for (const [index, key] of some.entries()) rows.set(key, gets[index]?.value ?? '');
    }
  }

  async #put(
    rows: Rows,
    batch: readonly (readonly [string, string])[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const [key] of batch) rows.delete(key); // unknown until the answer is there
    const then = batch.map(([key, value]): Operation =>
      value === '' ? { kind: 'delete', key } : { kind: 'put', key, value },
    );
    await this.#kv.txn({ then }, signal);
    for (const [key, value] of batch) rows.set(key, value);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function batches(changed: readonly (readonly [string, string])[]): (readonly [string, string])[][] {
  const all: (readonly [string, string])[][] = [];
  let batch: (readonly [string, string])[] = [];
  let bytes = 0;
  for (const one of changed) {
    const size = Buffer.byteLength(one[0]) + Buffer.byteLength(one[1]);
    if (
      batch.length === TXN_OPERATIONS_MAX ||
      (batch.length > 0 && bytes + size > BATCH_MAX_BYTES)
    ) {
      all.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}
