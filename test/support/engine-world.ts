// A store, hosts and an API in a few lines, around the real picture and the real plan: for laws over any order of events.
// Invariant: the engine writes only what its actions carry, and only while the revisions that they expect hold.
import type { Metadata } from '../../src/model/machine.ts';
import type { Pending } from '../../src/model/refusal.ts';
import type {
  Assignment,
  DesiredState,
  GlobalUnit,
  Placement,
  Unit,
} from '../../src/model/unit.ts';
import { applyAction } from '../../src/reconcile/engine-effects.ts';
import type { EngineAction } from '../../src/reconcile/engine-actions.ts';
import { planEngine } from '../../src/reconcile/engine-plan.ts';
import { ClusterPicture } from '../../src/scheduler/cluster.ts';
import type { UnitWords } from './cluster.ts';
import { globalRecord, machineId, machineRecord, unitName, unitRecord } from './cluster.ts';

/** One key with its mod revision. */
interface Held<T> {
  readonly value: T;
  readonly revision: bigint;
}

/** Tells one picture of one change. */
type Event = (picture: ClusterPicture) => void;

export class EngineWorld {
  picture = new ClusterPicture();
  readonly units = new Map<string, Held<Unit>>();
  readonly placed = new Map<string, Held<Placement>>();
  /** By `MACHINE NAME`, short. */
  readonly schedule = new Map<string, Held<Assignment>>();
  readonly globals = new Map<string, Held<GlobalUnit>>();
  readonly pending = new Map<string, Pending>();
  /** Machines whose key is there. */
  readonly machines = new Map<string, Readonly<{ metadata: Metadata; leaving: boolean }>>();
  readonly absent = new Set<string>();
  /** What machines run unknown to the store, by `MACHINE NAME`, short. */
  readonly orphans = new Set<string>();
  #revision = 1n;
  #generation = 0;
  #undelivered: Event[] = [];
  #delivered: Event[] = [];

  /** A person creates or replaces a unit. */
  put(name: string, words: UnitWords): void {
    const unit = unitRecord(name, words, (this.#generation += 1));
    this.#revision += 1n;
    this.#putUnit(name, unit);
    if (words.global === true) this.#putGlobal(name, globalRecord(unit));
    else this.#markGlobal(name);
    if (unit.desiredState === 'inactive') this.#mark(name);
  }

  /** A person changes the desired state: the API writes the placed copy too. */
  want(name: string, desiredState: DesiredState): void {
    const before = this.units.get(name)?.value;
    if (before === undefined) return;
    const unit = { ...before, desiredState, generation: (this.#generation += 1) };
    this.#revision += 1n;
    this.#putUnit(name, unit);
    const global = this.globals.get(name)?.value;
    if (global !== undefined && !global.release)
      this.#putGlobal(name, globalRecord(unit, desiredState === 'inactive'));
    if (desiredState === 'inactive') return this.#mark(name);
    const placed = this.placed.get(name)?.value;
    if (placed === undefined || placed.release) return;
    const key = keyOf(placed.machine, name);
    const copy = this.schedule.get(key)?.value;
    if (copy !== undefined)
      this.#putAssignment(key, { ...copy, desiredState, generation: unit.generation });
  }

  /** A person destroys a unit. */
  destroy(name: string): void {
    if (!this.units.has(name)) return;
    this.#revision += 1n;
    const revision = this.#revision;
    this.units.delete(name);
    this.#tell((picture) => picture.applyUnit(unitName(name), undefined, revision));
    this.#mark(name);
    this.#markGlobal(name);
  }

  /** A machine finds that it runs something unknown to the store, or that it does not any more. */
  orphan(machine: string, name: string, runs: boolean): void {
    const key = keyOf(machine, name);
    if (runs === this.orphans.has(key)) return;
    if (runs) this.orphans.add(key);
    else this.orphans.delete(key);
    this.#tell((picture) => picture.applyOrphan(machineId(machine), unitName(name), runs));
  }

  /** A machine registers, or says something new of itself. */
  machineUp(name: string, metadata: Metadata, leaving = false): void {
    this.machines.set(name, { metadata, leaving });
    this.absent.delete(name);
    this.#tell((picture) =>
      picture.applyMachine(machineId(name), machineRecord(name, metadata, leaving)),
    );
  }

  /** A machine's key vanishes. */
  machineGone(name: string): void {
    if (!this.machines.delete(name)) return;
    this.#tell((picture) => picture.applyMachine(machineId(name), undefined));
  }

  /** The engine believes all vanished machines absent. */
  believe(): void {
    this.deliver(Number.POSITIVE_INFINITY);
    for (const machine of this.picture.machines())
      if (machine.presence === 'doubted') {
        this.absent.add(shortOf(machine.id));
        this.picture.setPresence(machine.id, 'absent');
      }
  }

  /** Hosts stop what is marked, a leaving one everything, and delete the keys. */
  hostsStop(): void {
    for (const { value } of this.schedule.values())
      if (this.machines.has(shortOf(value.machine)))
        this.orphan(shortOf(value.machine), value.name, false); // a key speaks of it
    for (const [key, { value }] of this.schedule) {
      const machine = this.machines.get(shortOf(value.machine));
      if (machine === undefined || !(value.release || machine.leaving)) continue;
      this.#revision += 1n;
      const revision = this.#revision;
      this.schedule.delete(key);
      this.#tell((picture) =>
        picture.applyAssignment(value.machine, value.name, undefined, revision),
      );
    }
    for (const [name, { value }] of this.globals)
      if (value.release) {
        this.#revision += 1n;
        const revision = this.#revision;
        this.globals.delete(name);
        this.#tell((picture) => picture.applyGlobal(unitName(name), undefined, revision));
      }
  }

  /** The watch brings so many changes. */
  deliver(count: number): void {
    const now = this.#undelivered.splice(0, count);
    for (const event of now) event(this.picture);
    this.#delivered.push(...now);
  }

  /** The mirror lists again and finds a state of a while ago first: old changes come once more, in order. */
  deliverAgain(count: number): void {
    if (count <= 0) return;
    for (const event of this.#delivered.slice(-count)) event(this.picture);
    // Whose key was there and vanished once more is in doubt again.
    for (const name of this.absent)
      if (this.picture.machine(machineId(name))?.presence === 'doubted') this.absent.delete(name);
  }

  /** One pass of the engine; answers what was written. */
  pass(limit: number): readonly EngineAction[] {
    const dirty = this.picture.takeDirty(limit);
    const plan = planEngine(this.picture, dirty, limit);
    if (plan.faults.length > 0) throw plan.faults[0]?.error;
    const written: EngineAction[] = [];
    const groups = Map.groupBy(plan.actions, (action) => action.unit);
    for (const [unit, actions] of groups) {
      const [first] = actions;
      const holds =
        first?.expected.unit === (this.units.get(unit)?.revision ?? 0n) &&
        first.expected.placed === (this.placed.get(unit)?.revision ?? 0n);
      if (holds) {
        this.#revision += 1n;
        for (const action of actions) {
          this.#carryOut(action);
          applyAction(this.picture, action, this.#revision);
        }
        written.push(...actions);
      } else this.picture.markDirty([unit]);
    }
    return written;
  }

  /** Engine and hosts go on until nothing is left to do; throws if they never come to that. `each` is told of every pass. */
  rest(each: () => void = () => {}): void {
    this.believe();
    for (let round = 0; round < 40; round += 1) {
      const written = this.pass(100);
      each();
      this.hostsStop();
      this.deliver(Number.POSITIVE_INFINITY);
      if (written.length === 0 && this.picture.dirtyCount === 0) return;
    }
    throw new Error('the engine does not come to rest');
  }

  /** A picture of the store as it is, made from nothing. */
  fresh(): ClusterPicture {
    const picture = new ClusterPicture();
    for (const [name, { value, revision }] of this.units)
      picture.applyUnit(unitName(name), value, revision);
    for (const [name, { value, revision }] of this.placed)
      picture.applyPlacement(unitName(name), value, revision);
    for (const { value, revision } of this.schedule.values())
      picture.applyAssignment(value.machine, value.name, value, revision);
    for (const [name, { value, revision }] of this.globals)
      picture.applyGlobal(unitName(name), value, revision);
    for (const key of this.orphans) {
      const [machine = '', name = ''] = key.split(' ');
      picture.applyOrphan(machineId(machine), unitName(name), true);
    }
    for (const [name, pending] of this.pending) picture.applyPending(unitName(name), pending);
    for (const [name, { metadata, leaving }] of this.machines)
      picture.applyMachine(machineId(name), machineRecord(name, metadata, leaving));
    for (const name of this.absent) picture.setPresence(machineId(name), 'absent');
    return picture;
  }

  #carryOut(action: EngineAction): void {
    const name = action.unit;
    switch (action.kind) {
      case 'evict':
      case 'place':
      case 'update':
        if (action.kind === 'evict' && action.left !== undefined)
          this.#putAssignment(keyOf(action.from, name), action.left);
        if (action.settles) this.pending.delete(name);
        this.#putAssignment(keyOf(action.machine, name), action.assignment);
        return this.#putPlaced(name, action.placement);
      case 'release':
        this.#putAssignment(keyOf(action.machine, name), action.assignment);
        return this.#putPlaced(name, action.placement);
      case 'unplace': {
        if (action.left !== undefined) this.#putAssignment(keyOf(action.from, name), action.left);
        const revision = this.#revision;
        this.placed.delete(name);
        return this.#tell((picture) => picture.applyPlacement(name, undefined, revision));
      }
      case 'withdraw':
        return this.#putAssignment(keyOf(action.machine, name), action.assignment);
      case 'pending':
        return void this.pending.set(name, action.pending);
      case 'settled':
        return void this.pending.delete(name);
    }
  }

  #mark(name: string): void {
    const placed = this.placed.get(name)?.value;
    if (placed === undefined || placed.release) return;
    this.#putPlaced(name, { ...placed, release: true });
    const key = keyOf(placed.machine, name);
    const copy = this.schedule.get(key)?.value;
    if (copy !== undefined) this.#putAssignment(key, { ...copy, release: true });
  }

  #markGlobal(name: string): void {
    const global = this.globals.get(name)?.value;
    if (global !== undefined && !global.release)
      this.#putGlobal(name, { ...global, release: true });
  }

  #putUnit(name: string, value: Unit): void {
    const revision = this.#revision;
    this.units.set(name, { value, revision });
    this.#tell((picture) => picture.applyUnit(unitName(name), value, revision));
  }

  #putPlaced(name: string, value: Placement): void {
    const revision = this.#revision;
    this.placed.set(name, { value, revision });
    this.#tell((picture) => picture.applyPlacement(unitName(name), value, revision));
  }

  #putAssignment(key: string, value: Assignment): void {
    const revision = this.#revision;
    this.schedule.set(key, { value, revision });
    this.#tell((picture) => picture.applyAssignment(value.machine, value.name, value, revision));
  }

  #putGlobal(name: string, value: GlobalUnit): void {
    const revision = this.#revision;
    this.globals.set(name, { value, revision });
    this.#tell((picture) => picture.applyGlobal(unitName(name), value, revision));
  }

  #tell(event: Event): void {
    this.#undelivered.push(event);
  }
}

function keyOf(machine: string, name: string): string {
  return `${machine} ${name}`;
}

function shortOf(id: string): string {
  return `m${Number(id.slice(0, 8))}`;
}
