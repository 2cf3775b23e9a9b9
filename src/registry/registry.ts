// What every function of registry/ needs: the store, its keys, and someone to tell of records that do not decode.
// Invariant: a record that does not decode is named once and passed over; it never stops the reading of the rest.
import { isFleetError, type FleetError } from '../model/errors.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';
import type { UnitName, UnitOption } from '../model/unit.ts';
import type { KeyValue, Kv, RangeOptions, RangeResult, Revision } from '../store/kv.ts';
import type { RecordKind, Records } from './codec.ts';
import { decode } from './codec.ts';
import type { Keys } from './keys.ts';

export interface Registry {
  readonly kv: Kv;
  readonly keys: Keys;
  /** Told of each record that was passed over: log and count it there. */
  unreadable(kv: KeyValue, error: FleetError): void;
}

/** A key that is in the store. `record` is absent where its value does not decode. */
export interface Stored<K extends RecordKind> {
  readonly key: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly record: Records[K] | undefined;
}

/** The record in `kv`, or undefined for one that is passed over. */
export function readRecord<K extends RecordKind>(
  registry: Registry,
  kind: K,
  kv: KeyValue,
): Records[K] | undefined {
  try {
    return decode(kind, kv.key, kv.value);
  } catch (error) {
    if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
    registry.unreadable(kv, error);
    return undefined;
  }
}

/** What a `get` found, with its record. */
export function storedRecord<K extends RecordKind>(
  registry: Registry,
  kind: K,
  kv: KeyValue | undefined,
): Stored<K> | undefined {
  if (kv === undefined) return undefined;
  const { key, createRevision, modRevision } = kv;
  return { key, createRevision, modRevision, record: readRecord(registry, kind, kv) };
}

/** Reads all keys under `prefix` behind `options.after` in pages of one revision, as they come. */
export async function* pagesOf(
  registry: Registry,
  prefix: string,
  options: RangeOptions & Readonly<{ limit: number }>,
  signal: AbortSignal,
): AsyncGenerator<RangeResult> {
  let { after, revision } = options;
  for (;;) {
    const page = await registry.kv.range(
      prefix,
      {
        ...options,
        ...(after === undefined ? {} : { after }),
        ...(revision === undefined ? {} : { revision }),
      },
      signal,
    );
    yield page;
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    after = last.key;
    revision = page.revision;
  }
}

/** Says whether every machine runs the unit with these (stored, so checked) options. */
export function isGlobal(name: UnitName, options: readonly UnitOption[]): boolean {
  if (!options.some((option) => option.name === 'Global')) return false;
  return requirementsOf(name, options).ok?.global ?? false;
}
