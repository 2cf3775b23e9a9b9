// Builds a picture of a cluster from a few words, and prints actions as one line each.
import type { Runtime } from '../../src/model/container-runtime.ts';
import type { EngineAction } from '../../src/reconcile/engine-actions.ts';
import type { EnginePlan } from '../../src/reconcile/engine-plan.ts';
import { planEngine } from '../../src/reconcile/engine-plan.ts';
import type { Filters } from '../../src/scheduler/filters.ts';
import { ClusterPicture } from '../../src/scheduler/cluster.ts';
import type { Presence } from '../../src/scheduler/entries.ts';
import type { Machine, MachineId, Metadata } from '../../src/model/machine.ts';
import { parseMachineId } from '../../src/model/machine.ts';
import type { Pending, Refusal } from '../../src/model/refusal.ts';
import type {
  Assignment,
  DesiredState,
  GlobalUnit,
  Placement,
  Unit,
  UnitName,
  UnitOption,
} from '../../src/model/unit.ts';

/** `m1`, `m2`, …: see `machineId()`. */
export type ShortMachine = `m${number}`;

export interface UnitWords {
  readonly state?: DesiredState;
  readonly conflicts?: readonly string[];
  readonly replaces?: readonly string[];
  /** MachineOf= */
  readonly of?: readonly string[];
  /** MachineID= */
  readonly id?: string;
  /** MachineMetadata=, `key=value` each */
  readonly metadata?: readonly string[];
  readonly global?: boolean;
  /** Of a file; what the words above would stand for does not count then. */
  readonly options?: readonly UnitOption[];
  /** Placed there, with its schedule key. */
  readonly on?: ShortMachine;
  /** Marked in both keys. */
  readonly releasing?: boolean;
  /** Placed, and its schedule key is gone. */
  readonly handedOver?: boolean;
  /** No `c/unit/` record. */
  readonly destroyed?: boolean;
  /** The placed copy is of an older text. */
  readonly old?: boolean;
  /** Schedule keys that no placement speaks of. */
  readonly strays?: readonly ShortMachine[];
  /** Such keys that are marked already. */
  readonly marked?: readonly ShortMachine[];
  /** Machines that run it, unknown to the store. */
  readonly orphanOn?: readonly ShortMachine[];
  readonly pending?: Partial<Pending>;
}

export interface MachineWords {
  readonly metadata?: Metadata;
  /** Runtimes of containers that it has. */
  readonly has?: readonly Runtime[];
  readonly presence?: Presence;
}

export interface ClusterWords {
  readonly units?: Readonly<Record<string, UnitWords | DesiredState>>;
  readonly machines?: readonly ShortMachine[] | Readonly<Record<ShortMachine, MachineWords>>;
}

/** A picture of the cluster that the words describe. Nothing is dirty twice: every unit is dirty once. */
export function cluster(words: ClusterWords): ClusterPicture {
  const picture = new ClusterPicture();
  const machines = Array.isArray(words.machines)
    ? Object.fromEntries(words.machines.map((name: string) => [name, {}]))
    : (words.machines ?? {});
  for (const [name, machine] of Object.entries(machines)) {
    const id = machineId(name);
    const { presence = 'present', metadata = {}, has = [] } = machine as MachineWords;
    const capabilities = Object.fromEntries(has.map((runtime) => [runtime, '1.0']));
    if (presence === 'present' || presence === 'leaving')
      picture.applyMachine(id, {
        ...machineRecord(name, metadata, presence === 'leaving'),
        capabilities,
      });
    else picture.setPresence(id, presence);
  }
  for (const [name, unit] of Object.entries(words.units ?? {}))
    applyUnitWords(picture, unitName(name), typeof unit === 'string' ? { state: unit } : unit);
  // What only units speak of was not there to be judged before.
  for (const [name, { presence }] of Object.entries(machines) as [string, MachineWords][])
    if (presence !== undefined) picture.setPresence(machineId(name), presence);
  return picture;
}

/** Plans all units of the picture, without a limit. */
export function planAll(picture: ClusterPicture, filters?: Filters): EnginePlan {
  const names = [...picture.units()].map(({ name }) => name);
  picture.takeDirty(Number.POSITIVE_INFINITY);
  return planEngine(picture, names, Number.POSITIVE_INFINITY, filters);
}

/** An action as a person would say it. */
export function line(action: EngineAction): string {
  const { kind, unit } = action;
  switch (action.kind) {
    case 'place':
    case 'update':
      return `${kind} ${unit} on ${short(action.machine)} (${action.because})`;
    case 'release': {
      const { because } = action;
      const why = because.kind === 'refused' ? refusalWords(because.refusal) : because.kind;
      return `release ${unit} from ${short(action.machine)} (${why})`;
    }
    case 'evict':
      return `evict ${unit} from ${short(action.from)} to ${short(action.machine)} (${action.because})`;
    case 'unplace':
      return `unplace ${unit} from ${short(action.from)} (${action.because})`;
    case 'withdraw':
      return `withdraw ${unit} from ${short(action.machine)} (${action.because})`;
    case 'pending':
      return `pending ${unit} (${pendingWords(action.pending)})`;
    case 'settled':
      return `settled ${unit}`;
  }
}

/** `m3` → the id that begins with 00000003. */
export function machineId(name: string): MachineId {
  const id = parseMachineId(`${name.slice(1).padStart(8, '0')}${'0'.repeat(24)}`);
  if (id === undefined) throw new Error(`'${name}' is no machine of a test`);
  return id;
}

/** The id's short name, `m3`. */
export function short(id: MachineId): string {
  return `m${Number(id.slice(0, 8))}`;
}

/** A unit name of a test. */
export function unitName(name: string): UnitName {
  return name as UnitName;
}

/** The record of a machine that is well. */
export function machineRecord(name: string, metadata: Metadata = {}, leaving = false): Machine {
  return {
    id: machineId(name),
    primaryIp: '10.0.0.1',
    hostname: name,
    metadata,
    version: '2.0.0',
    capacity: { cpus: 1, memoryBytes: 1 },
    capabilities: {},
    ttlSec: 30,
    incarnation: 'boot',
    nonce: 'run',
    leaving,
  };
}

/** The [X-Fleet] options that the words stand for. */
function optionsOf(words: UnitWords): readonly UnitOption[] {
  if (words.options !== undefined) return words.options;
  const lines: [string, string][] = [];
  if (words.id !== undefined) lines.push(['MachineID', words.id]);
  for (const value of words.metadata ?? []) lines.push(['MachineMetadata', value]);
  for (const value of words.of ?? []) lines.push(['MachineOf', value]);
  for (const value of words.conflicts ?? []) lines.push(['Conflicts', value]);
  for (const value of words.replaces ?? []) lines.push(['Replaces', value]);
  if (words.global === true) lines.push(['Global', 'true']);
  return lines.map(([name, value]) => ({ section: 'X-Fleet', name, value }));
}

/** The record of a unit. Its hash tells the version from others. */
export function unitRecord(name: string, words: UnitWords = {}, generation = 1): Unit {
  return {
    name: unitName(name),
    hash: generation.toString(16).padStart(40, '0'),
    sha256: generation.toString(16).padStart(64, '0'),
    desiredState: words.state ?? 'launched',
    generation,
    options: optionsOf(words),
    description: '',
    requestId: '',
  };
}

function applyUnitWords(picture: ClusterPicture, name: UnitName, words: UnitWords): void {
  const unit = unitRecord(name, words, words.old === true ? 2 : 1);
  const release = words.releasing === true;
  if (words.destroyed !== true) picture.applyUnit(name, unit, 1n);
  if (words.global === true) picture.applyGlobal(name, globalRecord(unit), 1n);
  if (words.on !== undefined) {
    const placed = words.old === true ? unitRecord(name, words, 1) : unit;
    const machine = machineId(words.on);
    if (words.handedOver !== true)
      picture.applyAssignment(machine, name, assignmentRecord(placed, machine, release), 2n);
    picture.applyPlacement(name, placementRecord(placed, machine, release), 2n);
  }
  for (const stray of words.strays ?? [])
    picture.applyAssignment(
      machineId(stray),
      name,
      assignmentRecord(unit, machineId(stray), false),
      2n,
    );
  for (const stray of words.marked ?? [])
    picture.applyAssignment(
      machineId(stray),
      name,
      assignmentRecord(unit, machineId(stray), true),
      2n,
    );
  for (const orphan of words.orphanOn ?? []) picture.applyOrphan(machineId(orphan), name, true);
  if (words.pending !== undefined)
    picture.applyPending(name, { name, generation: 1, counts: {}, machines: [], ...words.pending });
}

/** `c/global/NAME` of a unit. */
export function globalRecord(unit: Unit, release = false): GlobalUnit {
  const { description: _description, requestId: _requestId, ...target } = unit;
  return { ...target, release };
}

/** `c/schedule/MACHINE/NAME` of a unit. */
export function assignmentRecord(unit: Unit, machine: MachineId, release: boolean): Assignment {
  return { ...globalRecord(unit, release), machine };
}

/** `c/placed/NAME` of a unit. */
export function placementRecord(unit: Unit, machine: MachineId, release: boolean): Placement {
  const { name, generation, hash } = unit;
  return { name, machine, generation, hash, release };
}

function refusalWords(refusal: Refusal): string {
  if (refusal.kind === 'conflict' || refusal.kind === 'replaces')
    return `${refusal.kind} with ${refusal.with}`;
  if (refusal.kind === 'machine-of') return `machine-of ${refusal.peer}`;
  return refusal.kind;
}

function pendingWords({ counts, reason, orphans }: Pending): string {
  if (reason === 'orphan') return ['orphan', ...(orphans ?? []).map(short)].join(' ');
  if (reason !== undefined) return reason;
  return Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
