// The picture of the cluster that a plan reads: the records, applied change by change, and indexes over them.
// Invariant: a change marks as dirty the units whose decision it can alter; everything derived follows from the records alone.
import { OrderedMap } from '../collections/ordered-map.ts';
import { SortedList } from '../collections/sorted-list.ts';
import type { Host, Machine, MachineId, MetadataOverride } from '../model/machine.ts';
import type { Pending } from '../model/refusal.ts';
import type { Assignment, GlobalUnit, Placement, Unit, UnitName } from '../model/unit.ts';
import type { Draft, MachineEntry, Presence, UnitEntry, UnreadableKey } from './entries.ts';
import { newUnitEntry } from './entries.ts';
import { bareNeeds, hasNoRecord, isOld, needsOf, whereabouts } from './derive.ts';
import { globalRunsOn } from './global-runs.ts';
import { refusesFacts } from './machine-filters.ts';
import { Machines } from './machines.ts';
import { GLOBAL, WAITING } from './pattern-index.ts';
import { isRelated, Relations } from './relations.ts';
import { WaitingIndex } from './waiting-index.ts';

export class ClusterPicture {
  readonly relations: Relations;
  readonly #units = new OrderedMap<UnitEntry>();
  readonly #machines: Machines;
  readonly #activeGlobals = new Set<UnitEntry>();
  readonly #globals = new Set<UnitEntry>();
  readonly #waiting = new WaitingIndex();
  readonly #dirty = new SortedList<UnitName>((a, b) => (a === b ? 0 : a < b ? -1 : 1));

  constructor() {
    this.relations = new Relations(this.#units);
    this.#machines = new Machines({
      touched: (machine) => this.#touchMachine(machine),
      displacedOn: (machine) => this.#displacedOn(machine),
    });
  }

  /** What is known of a unit. */
  unit(name: UnitName): UnitEntry | undefined {
    return this.#units.get(name);
  }

  /** What is known of a machine. */
  machine(id: MachineId): MachineEntry | undefined {
    return this.#machines.get(id);
  }

  /** All units of which there is any record. */
  units(): Iterable<UnitEntry> {
    return this.#units.values();
  }

  /** Units with a `c/global/` record. */
  get globals(): ReadonlySet<UnitEntry> {
    return this.#globals;
  }

  /** All machines of which there is any record. */
  machines(): Iterable<MachineEntry> {
    return this.#machines.all();
  }

  /** The machines that may take units, in their orders. */
  get candidates(): Machines['candidates'] {
    return this.#machines.candidates;
  }

  /** The machines that go in good order, lowest id first. */
  leaving(): readonly MachineEntry[] {
    return this.#machines.leaving();
  }

  get unitCount(): number {
    return this.#units.size;
  }

  /** How many units wait for a decision. */
  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** At most `limit` of the units that wait for a decision, lowest names first; they are no longer dirty. */
  takeDirty(limit: number): readonly UnitName[] {
    const taken = [...this.#dirty[Symbol.iterator]().take(limit)];
    for (const name of taken) this.#dirty.delete(name);
    return taken;
  }

  /**
   * These units are to be decided again because their writes were lost, and with them those that were decided in the belief that
   * they would be where the plan had put them.
   */
  markDirty(names: Iterable<UnitName>): void {
    for (const name of names) {
      const entry = this.#units.get(name);
      if (entry === undefined) continue;
      this.#dirty.add(name);
      this.#touchAt(entry, WAITING);
      for (const follower of this.relations.followers(entry)) this.#dirty.add(follower.name);
      for (const global of this.relations.relatedAt(entry, GLOBAL)) this.#touchGlobal(global);
    }
  }

  /** `c/unit/NAME` as of `revision`: that of the put, of the deletion, or of the list that did not have it. */
  applyUnit(name: UnitName, unit: Unit | undefined, revision: bigint): void {
    this.#apply(name, 'unit', (entry) => {
      if (isOld(entry.unitRevision, entry.unit, unit, revision)) return false;
      entry.unit = unit;
      entry.unitRevision = unit === undefined ? 0n : revision;
      return true;
    });
  }

  /** `c/placed/NAME` as of `revision`. */
  applyPlacement(name: UnitName, placement: Placement | undefined, revision: bigint): void {
    this.#apply(name, 'placed', (entry) => {
      if (isOld(entry.placedRevision, entry.placement, placement, revision)) return false;
      const before = entry.placement?.machine;
      entry.placement = placement;
      entry.placedRevision = placement === undefined ? 0n : revision;
      if (before !== undefined) this.#machines.hold(before, entry);
      if (placement !== undefined) this.#machines.hold(placement.machine, entry);
      return true;
    });
  }

  /** `c/schedule/MACHINE/NAME` as of `revision`. */
  applyAssignment(
    machine: MachineId,
    name: UnitName,
    assignment: Assignment | undefined,
    revision: bigint,
  ): void {
    let told: UnitEntry | undefined;
    this.#apply(name, `schedule/${machine}`, (entry) => {
      const held = entry.assignments.get(machine);
      if (isOld(held?.revision ?? 0n, held, assignment, revision)) return false;
      if (held?.assignment.hash !== assignment?.hash && isRelated(entry)) told = entry;
      const assignments = new Map(entry.assignments);
      if (assignment === undefined) assignments.delete(machine);
      else assignments.set(machine, { assignment, revision });
      entry.assignments = assignments;
      this.#machines.hold(machine, entry);
      return true;
    });
    if (told === undefined) return;
    this.#recountDisplaced([told.at]); // global units give way to the version that the machine has
    this.#touchRelated(told);
  }

  /** `c/global/NAME` as of `revision`. */
  applyGlobal(name: UnitName, global: GlobalUnit | undefined, revision: bigint): void {
    this.#apply(name, 'global', (entry) => {
      if (isOld(entry.globalRevision, entry.global, global, revision)) return false;
      entry.global = global;
      entry.globalRevision = global === undefined ? 0n : revision;
      if (global === undefined) this.#globals.delete(entry);
      else this.#globals.add(entry);
      return true;
    });
  }

  /** `c/orphan/MACHINE/NAME`: whether the machine runs it, unknown to the store. */
  applyOrphan(machine: MachineId, name: UnitName, runs: boolean): void {
    this.#apply(name, `orphan/${machine}`, (entry) => {
      if (entry.orphans.has(machine) === runs) return false;
      const others = [...entry.orphans].filter((id) => id !== machine);
      entry.orphans = new Set(runs ? [...others, machine] : others);
      this.#machines.hold(machine, entry);
      return true;
    });
  }

  /** `pending/NAME`: a new leader reads them all once, and then only it writes them. */
  applyPending(name: UnitName, pending: Pending | undefined): void {
    const entry = this.#units.get(name) ?? (pending === undefined ? undefined : this.#add(name));
    if (entry === undefined) return;
    this.relations.remeet(entry, () => (entry.pending = pending));
    this.#waiting.file(entry);
    if (entry.unit === undefined && pending !== undefined) this.#dirty.add(name); // nobody waits
    this.#dropIfEmpty(entry);
  }

  /** `c/machine/ID`. A machine whose key is gone is doubted until `setPresence` says what became of it. */
  applyMachine(id: MachineId, machine: Machine | undefined): void {
    this.#machines.change(id, 'machine', (entry) => {
      entry.machine = machine;
      if (machine !== undefined) entry.presence = machine.leaving ? 'leaving' : 'present';
      else if (entry.presence !== 'absent') entry.presence = 'doubted';
    });
  }

  /** `c/host/ID`. */
  applyHost(id: MachineId, host: Host | undefined): void {
    this.#machines.change(id, 'host', (entry) => (entry.host = host));
  }

  /** `c/metadata/ID/KEY`; an override without a value hides the key, `undefined` says that there is none. */
  applyMetadata(id: MachineId, key: string, override: MetadataOverride | undefined): void {
    this.#machines.change(id, `metadata/${key}`, (entry) => {
      const overrides = new Map(entry.overrides);
      if (override === undefined) overrides.delete(key);
      else overrides.set(key, override.value);
      entry.overrides = overrides;
    });
  }

  /** What the engine believes of a machine whose key is gone. */
  setPresence(id: MachineId, presence: Presence): void {
    this.#machines.change(id, undefined, (entry) => (entry.presence = presence));
  }

  /** A record that does not decode: what it concerns is left alone until it does, or is deleted. */
  markUnreadable(what: UnreadableKey): void {
    switch (what.kind) {
      case 'machine':
      case 'host':
        return this.#machines.markUnreadable(what.machine, what.kind);
      case 'metadata':
        return this.#machines.markUnreadable(what.machine, `metadata/${what.key}`);
      case 'schedule':
      case 'orphan':
        return this.#markUnit(what.name, `${what.kind}/${what.machine}`);
      case 'unit':
      case 'placed':
      case 'global':
        return this.#markUnit(what.name, what.kind);
    }
  }

  /** Lets `plan` move units, so that each decision sees those before it; all of it is undone at the end. */
  drafting<T>(plan: (draft: Draft) => T): T {
    const undo: [UnitEntry, MachineEntry | undefined, boolean][] = [];
    try {
      return plan((entry, at, releasing) => {
        undo.push([entry, entry.at, entry.releasing]);
        this.#move(entry, at, releasing);
      });
    } finally {
      for (const [entry, at, releasing] of undo.toReversed()) this.#move(entry, at, releasing);
    }
  }

  #apply(name: UnitName, label: string, change: (entry: UnitEntry) => boolean): void {
    const entry = this.#units.get(name) ?? this.#add(name);
    const changed = change(entry);
    const mended = entry.unreadable.has(label);
    if (mended)
      entry.unreadable = new Set([...entry.unreadable].filter((other) => other !== label));
    if (changed || mended) this.#derive(entry);
    else this.#dropIfEmpty(entry);
  }

  #markUnit(name: UnitName, label: string): void {
    const entry = this.#units.get(name) ?? this.#add(name);
    entry.unreadable = new Set(entry.unreadable).add(label);
    this.#derive(entry);
  }

  #add(name: UnitName): UnitEntry {
    const entry = newUnitEntry(name, bareNeeds(name));
    this.#units.set(name, entry);
    this.relations.add(entry);
    return entry;
  }

  #dropIfEmpty(entry: UnitEntry): void {
    if (!hasNoRecord(entry)) return;
    this.relations.remove(entry);
    this.#units.delete(entry.name);
    this.#dirty.delete(entry.name);
  }

  /** Brings everything that follows from the unit's records up to date, and marks what that touches. */
  #derive(entry: UnitEntry): void {
    this.#dirty.add(entry.name);
    this.#deriveNeeds(entry);
    const { at, releasing } = whereabouts(entry, (id) => this.#machines.getOrAdd(id));
    if (at !== entry.at || releasing !== entry.releasing) {
      const from = entry.at;
      this.#move(entry, at, releasing);
      this.#touchMoved(entry, from);
    }
    this.#deriveGlobal(entry);
    this.#dropIfEmpty(entry);
  }

  #deriveNeeds(entry: UnitEntry): void {
    const { needs, malformed } = needsOf(entry);
    entry.malformed = malformed;
    if (needs === entry.needs) return;
    this.#touchRelated(entry); // by what it declared until now, …
    this.#machines.uncountGlobal(entry);
    this.relations.declare(entry, needs);
    entry.needs = needs;
    this.#machines.countGlobal(entry);
    this.#recountDisplaced(entry.globalActive ? this.#machines.all() : [entry.at]);
    this.#touchRelated(entry); // … and by what it declares from now on
    this.#waiting.file(entry);
    this.#touchHeld(entry);
    this.#touchWaitingFor(entry);
  }

  #deriveGlobal(entry: UnitEntry): void {
    const { global } = entry;
    const active = global !== undefined && !global.release && global.desiredState !== 'inactive';
    const runs = active && !entry.malformed;
    if (runs === entry.globalActive) return;
    this.#machines.uncountGlobal(entry);
    this.relations.remeet(entry, () => (entry.globalActive = runs));
    if (runs) this.#activeGlobals.add(entry);
    this.#machines.countGlobal(entry);
    if (isRelated(entry)) this.#recountDisplaced(this.#machines.all());
    if (!runs) this.#activeGlobals.delete(entry);
    this.#touchGlobal(entry);
  }

  #move(entry: UnitEntry, at: MachineEntry | undefined, releasing: boolean): void {
    const from = entry.at;
    entry.releasing = releasing;
    if (from === at) return;
    this.relations.remeet(entry, () => (entry.at = at));
    if (from !== undefined) this.#machines.relocate(from, -1);
    if (at !== undefined) this.#machines.relocate(at, 1);
    if (isRelated(entry)) this.#recountDisplaced([from, at]);
  }

  #recountDisplaced(machines: Iterable<MachineEntry | undefined>): void {
    if (this.#activeGlobals.size === 0) return;
    for (const machine of machines)
      if (machine !== undefined) this.#machines.recountDisplaced(machine);
  }

  #displacedOn(machine: MachineEntry): number {
    let count = 0;
    for (const global of this.#activeGlobals) {
      if (!isRelated(global) || !global.globalActive) continue;
      if (refusesFacts(global.needs, machine) !== undefined) continue;
      if (!globalRunsOn(this, global, machine)) count += 1;
    }
    return count;
  }

  #touchMoved(entry: UnitEntry, from: MachineEntry | undefined): void {
    this.#touchHeld(entry);
    for (const follower of this.relations.followers(entry)) this.#dirty.add(follower.name);
    if (entry.at !== undefined) this.#touchAt(entry, entry.at);
    if (from !== undefined && from !== entry.at) this.#touchAt(entry, WAITING);
    for (const global of this.relations.relatedAt(entry, GLOBAL)) this.#touchGlobal(global);
  }

  #touchRelated(entry: UnitEntry): void {
    if (entry.at !== undefined) {
      this.#touchAt(entry, entry.at);
      for (const global of this.relations.relatedAt(entry, GLOBAL)) this.#touchGlobal(global);
    }
    if (entry.globalActive) this.#touchGlobal(entry);
    else this.#touchAt(entry, WAITING);
  }

  /** Where a global unit runs may have changed, and with it that of its rivals, and of theirs. */
  #touchGlobal(entry: UnitEntry): void {
    const globals = new Set([entry]);
    for (const global of globals) {
      this.#touchHeld(global);
      for (const follower of this.relations.followers(global)) this.#dirty.add(follower.name);
      this.#touchAt(global, WAITING);
      for (const rival of this.relations.relatedAt(global, GLOBAL)) globals.add(rival);
    }
  }

  #touchAt(entry: UnitEntry, place: MachineEntry | typeof WAITING): void {
    for (const other of this.relations.relatedAt(entry, place)) this.#dirty.add(other.name);
  }

  /** Units that wait because of a circle that this one is part of. */
  #touchHeld(entry: UnitEntry): void {
    for (const held of this.#waiting.heldBy(entry.name)) this.#dirty.add(held.name);
  }

  /** It may have closed a circle of MachineOf=: all that wait for it say so from now on. */
  #touchWaitingFor(entry: UnitEntry): void {
    const reached = new Set([entry]);
    for (const peer of reached)
      for (const follower of this.relations.followers(peer)) {
        if (follower.pending === undefined) continue;
        reached.add(follower);
        this.#dirty.add(follower.name);
      }
  }

  #touchMachine(machine: MachineEntry): void {
    for (const entry of machine.holds) {
      this.#dirty.add(entry.name);
      for (const follower of this.relations.followers(entry)) this.#dirty.add(follower.name);
    }
    if (machine.candidate)
      for (const entry of this.#waiting.thatMightTake(machine)) this.#dirty.add(entry.name);
    for (const entry of this.#waiting.explainedBy(machine.id)) this.#dirty.add(entry.name);
  }
}
