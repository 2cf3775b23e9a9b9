// What the store asks of this host: three mirrors, decoded as they change.
// Invariant: a record that does not decode is named, and what it concerns is left alone.
import { hostname } from 'node:os';
import type { MachineId, Metadata } from '../src/model/machine.ts';
import type { Assignment, GlobalUnit, UnitName } from '../src/model/unit.ts';
import { wantedWithoutStore } from '../src/reconcile/host-boot.ts';
import { wantedFrom, wantedWhenLeaving, type Wanted } from '../src/reconcile/host-picture.ts';
import { decode, type RecordKind, type Records } from '../src/registry/codec.ts';
import type { AskedBy } from '../src/registry/fence.ts';
import { parseClusterKey, type Keys } from '../src/registry/keys.ts';
import { isFleetError } from '../src/model/errors.ts';
import { parseUnitName } from '../src/unitfile/name.ts';
import type { Log } from '../src/runtime/log.ts';
import { globalsFor, type GlobalsDecision } from '../src/scheduler/globals.ts';
import { mergedMetadata } from '../src/scheduler/machine-filters.ts';
import type { KeyValue } from '../src/store/kv.ts';
import type { Desired } from './kept-desired.ts';

/** What is needed of a mirror here: store/mirror.ts has it. */
export interface MirrorView {
  readonly synced: boolean;
  takeChanges(): Iterable<Readonly<{ key: string; kv: KeyValue | undefined }>>;
}

export interface HostDesiredDeps {
  readonly keys: Keys;
  readonly machine: MachineId;
  readonly log: Log;
  readonly schedule: MirrorView;
  readonly globals: MirrorView;
  readonly metadata: MirrorView;
  /** As configured, without overrides. */
  readonly configuredMetadata: () => Metadata;
  readonly capabilities: () => Readonly<Record<string, string>>;
}

type Decoded<T> = Readonly<{ record: T; revision: bigint }>;

/** The desired state of this host, and what of it cannot be read. */
export class HostDesired {
  readonly #deps: HostDesiredDeps;
  readonly #assignments = new Map<UnitName, Decoded<Assignment>>();
  readonly #globals = new Map<UnitName, Decoded<GlobalUnit>>();
  readonly #overrides = new Map<string, string | undefined>();
  /** By key: the unit that it concerns; undefined for metadata, which concerns all global ones. */
  readonly #unreadable = new Map<string, UnitName | undefined>();
  #wanted: ReadonlyMap<UnitName, Wanted> = new Map();
  #isLeaving = false;
  #isDecided = false;
  /** What is known is of this host's disk: the store was not reached yet. */
  #isFromDisk = false;
  #decisions = 0;

  constructor(deps: HostDesiredDeps) {
    this.#deps = deps;
  }

  /** All three were listed: what is not there is not in the store. */
  get synced(): boolean {
    const { schedule, globals, metadata } = this.#deps;
    return schedule.synced && globals.synced && metadata.synced;
  }

  get wanted(): ReadonlyMap<UnitName, Wanted> {
    return this.#wanted;
  }

  get unreadable(): ReadonlySet<UnitName> {
    return new Set([...this.#unreadable.values()].filter((name) => name !== undefined));
  }

  /** There is something to go by: the store's word, or what is on the disk for as long as that is not known. */
  get known(): boolean {
    return this.synced || this.#isFromDisk;
  }

  /** Grows whenever what is wanted may have changed. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Goes by what is on the disk until the store is reached. */
  useDisk({ assignments, globals, overrides }: Desired): void {
    if (this.#isDecided) return;
    this.#isFromDisk = true;
    for (const record of assignments) this.#assignments.set(record.name, { record, revision: 0n });
    for (const record of globals) this.#globals.set(record.name, { record, revision: 0n });
    for (const [key, value] of overrides) this.#overrides.set(key, value);
    this.#decide();
  }

  /** What asks for this unit: its key in the store, or the disk as long as that is all there is; undefined: nothing does. */
  askedBy(name: UnitName): AskedBy | 'disk' | undefined {
    if (this.#isFromDisk) return 'disk';
    const { keys, machine } = this.#deps;
    const assigned = this.#assignments.get(name);
    if (assigned !== undefined)
      return {
        key: keys.schedule(machine, name),
        revision: assigned.revision,
        placed: keys.placed(name),
      };
    const global = this.#globals.get(name);
    return global && { key: keys.global(name), revision: global.revision };
  }

  /** What is to be on the disk: all that this host is to have. */
  toKeep(): Desired {
    const isKept = (name: UnitName): boolean => this.#wanted.get(name)?.kind === 'keep';
    const assignments = [...this.#assignments.values()].map(({ record }) => record);
    const assigned = assignments.filter(({ name, release }) => !release && isKept(name));
    const names = new Set(assigned.map(({ name }) => name));
    const globals = [...this.#globals.values()].map(({ record }) => record);
    return {
      assignments: assigned,
      globals: globals.filter(({ name }) => isKept(name) && !names.has(name)),
      overrides: this.#overrides,
    };
  }

  /** From now on all is to be given away. `known`: what was carried out, for when the store was never read. */
  leave(known: Iterable<UnitName>): void {
    this.#isLeaving = true;
    this.#decisions += 1;
    if (this.synced) return this.#decide();
    const all = new Map([...known].map((name): [UnitName, Wanted] => [name, { kind: 'leave' }]));
    this.#wanted = wantedWhenLeaving(all, this.#assigned());
  }

  /** Takes in what changed in the mirrors. Answers whether anything did. */
  refresh(): boolean {
    const { schedule, globals, metadata } = this.#deps;
    if (this.#isFromDisk && !this.synced) return false;
    if (this.#isFromDisk) this.#forgetDisk();
    let changes = 0;
    const take = (
      mirror: MirrorView,
      one: (key: string, kv: KeyValue | undefined) => void,
    ): void => {
      for (const { key, kv } of mirror.takeChanges()) {
        changes += 1;
        this.#unreadable.delete(key);
        one(key, kv);
      }
    };
    take(schedule, (key, kv) => this.#takeAssignment(key, kv));
    take(globals, (key, kv) => this.#takeGlobal(key, kv));
    take(metadata, (key, kv) => this.#takeOverride(key, kv));
    // The first listing may hold nothing: then too it is decided once.
    if (this.#isDecided && changes === 0) return false;
    if (this.synced) this.#decide();
    return true;
  }

  /** Decides again although no key changed: the configured metadata did. */
  reconfigured(): void {
    if (this.known) this.#decide();
  }

  /** The store's word has come: what it does not name is not wanted by the disk's either. */
  #forgetDisk(): void {
    this.#isFromDisk = false;
    this.#isDecided = false;
    for (const records of [this.#assignments, this.#globals, this.#overrides]) records.clear();
  }

  #decide(): void {
    this.#isDecided = true;
    this.#decisions += 1;
    const { machine, configuredMetadata, capabilities } = this.#deps;
    const assignments = [...this.#assignments.values()];
    const globals = [...this.#globals.values()].map(({ record }) => record);
    const isMetadataKnown = ![...this.#unreadable.values()].includes(undefined);
    const decision: GlobalsDecision = isMetadataKnown
      ? globalsFor({
          id: machine,
          hostname: hostname(),
          metadata: mergedMetadata(configuredMetadata(), this.#overrides),
          capabilities: capabilities(),
          globals,
          assigned: assignments.map(({ record }) => record),
        })
      : { run: [], refused: [], released: [], leftAlone: globals.map(({ name }) => name) };
    const wanted = wantedFrom(
      assignments.map(({ record, revision }) => ({ assignment: record, revision })),
      globals,
      decision,
    );
    if (this.#isLeaving) this.#wanted = wantedWhenLeaving(wanted, this.#assigned());
    else if (this.#isFromDisk)
      this.#wanted = wantedWithoutStore(wanted, { id: machine, hostname: hostname() });
    else this.#wanted = wanted;
  }

  #assigned(): ReadonlyMap<UnitName, bigint> {
    return new Map([...this.#assignments].map(([name, { revision }]) => [name, revision]));
  }

  #takeAssignment(key: string, kv: KeyValue | undefined): void {
    const parsed = parseClusterKey(this.#deps.keys, key);
    if (parsed?.kind !== 'schedule') return;
    this.#assignments.delete(parsed.name);
    const record = this.#read('assignment', kv, parsed.name);
    if (record !== undefined && kv !== undefined)
      this.#assignments.set(parsed.name, { record, revision: kv.modRevision });
  }

  #takeGlobal(key: string, kv: KeyValue | undefined): void {
    const parsed = parseClusterKey(this.#deps.keys, key);
    if (parsed?.kind !== 'global') return;
    this.#globals.delete(parsed.name);
    const record = this.#read('global', kv, parsed.name);
    if (record !== undefined && kv !== undefined)
      this.#globals.set(parsed.name, { record, revision: kv.modRevision });
  }

  #takeOverride(key: string, kv: KeyValue | undefined): void {
    const parsed = parseClusterKey(this.#deps.keys, key);
    if (parsed?.kind !== 'metadata') return;
    this.#overrides.delete(parsed.key);
    const record = this.#read('metadata', kv, undefined);
    if (record !== undefined) this.#overrides.set(record.key, record.value);
  }

  /** The record, or undefined for one that is gone or cannot be read: the latter is noted. */
  #read<K extends RecordKind>(
    kind: K,
    kv: KeyValue | undefined,
    concerns: UnitName | undefined,
  ): Records[K] | undefined {
    if (kv === undefined) return undefined;
    try {
      const record = decode(kind, kv.key, kv.value);
      if (concerns === undefined || parseUnitName(concerns).ok !== undefined) return record;
      this.#deps.log.warn({ key: kv.key }, 'a key names no unit, ignoring it');
    } catch (error) {
      if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
      const fields = { code: error.code, key: kv.key };
      this.#deps.log.warn(fields, 'a record cannot be read, leaving alone what it concerns');
    }
    this.#unreadable.set(kv.key, concerns);
    return undefined;
  }
}
