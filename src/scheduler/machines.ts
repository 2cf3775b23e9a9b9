// All machines of the picture: their records, what follows from these, and their load.
// Invariant: the candidates' orders always agree with each machine's load, metadata and presence.
import type { MachineId } from '../model/machine.ts';
import type { Requirements } from '../model/requirements.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import { newMachineEntry } from './entries.ts';
import { mergedMetadata, refusesFacts } from './machine-filters.ts';
import { MachineIndex } from './machine-index.ts';

export interface MachinesOptions {
  /** Told of a machine whose change can alter decisions. */
  touched(machine: MachineEntry): void;
  /** Counts the global units that give way there to others, though it fulfils their requirements. */
  displacedOn(machine: MachineEntry): number;
}

export class Machines {
  readonly candidates = new MachineIndex();
  readonly #machines = new Map<MachineId, MachineEntry>();
  readonly #leaving = new Set<MachineEntry>();
  /** Active global units that not every machine may run. */
  readonly #choosyGlobals = new Set<UnitEntry>();
  readonly #options: MachinesOptions;

  constructor(options: MachinesOptions) {
    this.#options = options;
  }

  get(id: MachineId): MachineEntry | undefined {
    return this.#machines.get(id);
  }

  /** The machine; one that only a unit's record speaks of is doubted. */
  getOrAdd(id: MachineId): MachineEntry {
    let entry = this.#machines.get(id);
    if (entry === undefined) {
      this.#machines.set(id, (entry = newMachineEntry(id)));
      this.#recountGlobals(entry);
    }
    return entry;
  }

  all(): Iterable<MachineEntry> {
    return this.#machines.values();
  }

  /** Lowest id first. */
  leaving(): readonly MachineEntry[] {
    return [...this.#leaving].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Changes the records of a machine; `label` names the one that is readable now. */
  change(id: MachineId, label: string | undefined, change: (entry: MachineEntry) => void): void {
    const entry = this.getOrAdd(id);
    this.#rederive(entry, () => {
      change(entry);
      if (label !== undefined && entry.unreadable.has(label))
        entry.unreadable = new Set([...entry.unreadable].filter((other) => other !== label));
    });
    this.#dropIfEmpty(entry);
  }

  markUnreadable(id: MachineId, label: string): void {
    const entry = this.getOrAdd(id);
    this.#rederive(entry, () => (entry.unreadable = new Set(entry.unreadable).add(label)));
  }

  /** Notes whether any record of `unit` names the machine. */
  hold(id: MachineId, unit: UnitEntry): void {
    const entry = this.getOrAdd(id);
    const isNamed = unit.placement?.machine === id || unit.assignments.has(id);
    if (isNamed || unit.orphans.has(id)) entry.holds.add(unit);
    else entry.holds.delete(unit);
    this.#dropIfEmpty(entry);
  }

  /** A unit came (1) or went (-1). */
  relocate(entry: MachineEntry, by: 1 | -1): void {
    entry.located += by;
    this.candidates.reload(entry, loadOf(entry));
    this.#dropIfEmpty(entry);
  }

  /** Takes a global unit out of the machines' load; before its requirements change. */
  uncountGlobal(unit: UnitEntry): void {
    if (!this.#choosyGlobals.delete(unit)) return;
    for (const entry of this.#machines.values()) this.#countOne(entry, unit.needs, -1);
  }

  /** Counts an active global unit wherever it may run. */
  countGlobal(unit: UnitEntry): void {
    const { needs } = unit;
    if (!unit.globalActive || !isChoosy(needs)) return;
    this.#choosyGlobals.add(unit);
    for (const entry of this.#machines.values()) this.#countOne(entry, needs, 1);
  }

  /** What runs there beside the global units may be another now. */
  recountDisplaced(entry: MachineEntry): void {
    entry.displaced = this.#options.displacedOn(entry);
    this.candidates.reload(entry, loadOf(entry));
  }

  #countOne(entry: MachineEntry, needs: Requirements, by: 1 | -1): void {
    if (refusesFacts(needs, entry) !== undefined) return;
    entry.globals += by;
    this.candidates.reload(entry, loadOf(entry));
  }

  #rederive(entry: MachineEntry, change: () => void): void {
    const { presence, hostname, metadata, capabilities, candidate } = entry;
    const records = entry.machine?.metadata;
    const { overrides } = entry;
    const unreadable = entry.unreadable.size;
    if (candidate) this.candidates.remove(entry);
    change();
    if (entry.machine?.metadata !== records || entry.overrides !== overrides) {
      // An absent machine keeps the metadata that it had: nobody is to be surprised when it comes back.
      if (entry.machine !== undefined)
        entry.metadata = mergedMetadata(entry.machine.metadata, entry.overrides);
    }
    entry.hostname = entry.machine?.hostname ?? hostname;
    entry.capabilities = entry.machine?.capabilities ?? capabilities;
    const altered =
      hostname !== entry.hostname ||
      !sameTexts(metadata, entry.metadata) ||
      !sameTexts(capabilities, entry.capabilities);
    if (altered) this.#recountGlobals(entry);
    entry.candidate = entry.presence === 'present' && entry.unreadable.size === 0;
    if (entry.candidate) this.candidates.add(entry);
    if (entry.presence === 'leaving') this.#leaving.add(entry);
    else this.#leaving.delete(entry);
    const moved = candidate !== entry.candidate || presence !== entry.presence;
    if (moved || altered || unreadable !== entry.unreadable.size) this.#options.touched(entry);
  }

  #dropIfEmpty(entry: MachineEntry): void {
    if (hasNoRecord(entry)) this.#machines.delete(entry.id);
  }

  /** Only while the machine is out of the orders. */
  #recountGlobals(entry: MachineEntry): void {
    entry.globals = 0;
    for (const { needs } of this.#choosyGlobals)
      if (refusesFacts(needs, entry) === undefined) entry.globals += 1;
    entry.displaced = this.#options.displacedOn(entry);
    entry.load = loadOf(entry);
  }
}

function loadOf({ located, globals, displaced }: MachineEntry): number {
  return located + globals - displaced;
}

function isChoosy(needs: Requirements): boolean {
  return (
    needs.machineId !== undefined ||
    needs.metadata.length > 0 ||
    needs.perMachine !== undefined ||
    needs.fence !== undefined ||
    needs.onPartition !== undefined ||
    needs.runtimes !== undefined
  );
}

function sameTexts(a: Readonly<Record<string, string>>, b: typeof a): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

function hasNoRecord(entry: MachineEntry): boolean {
  return (
    entry.machine === undefined &&
    entry.host === undefined &&
    entry.overrides.size === 0 &&
    entry.unreadable.size === 0 &&
    entry.holds.size === 0 &&
    entry.located === 0
  );
}
