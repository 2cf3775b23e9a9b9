// Why a host may stop or start a unit: when the store last gave a cause, and when the rules last forbade it to stay.
// Invariant: a cause is what a person's request or a rule has written; that a key is gone is none.
import type { Assignment, GlobalUnit, UnitTarget } from '../../src/model/unit.ts';
import type { Write } from '../../src/store/embedded/mvcc.ts';
import { sha256Of } from '../../src/unitfile/hash.ts';
import { isGlobal, rulesOf, type Contents } from './contents.ts';
import type { SimMachine } from './machine.ts';

export interface CausesWorld {
  readonly now: () => number;
  readonly machines: () => readonly SimMachine[];
}

/** Clock times in ms, by unit and machine id; -Infinity for never. */
export class Causes {
  readonly #world: CausesWorld;
  readonly #stops = new Map<string, number>();
  readonly #starts = new Map<string, number>();
  readonly #forbidden = new Map<string, number>();
  /** By unit: when the last mark that asked a host to stop it was taken away. */
  readonly #marked = new Map<string, number>();

  constructor(world: CausesWorld) {
    this.#world = world;
  }

  /** When the store last said something for which the machine stops it. */
  stopAsked(name: string, machine: string): number {
    return this.#stops.get(`${name} ${machine}`) ?? -Infinity;
  }

  /** When the store last asked the machine to start it. */
  startAsked(name: string, machine: string): number {
    return this.#starts.get(`${name} ${machine}`) ?? -Infinity;
  }

  /** When the rules last forbade the unit to stay there. */
  forbidden(name: string, machine: string): number {
    return this.#forbidden.get(`${name} ${machine}`) ?? -Infinity;
  }

  /** Whether a mark asked some host to stop it at this time or later, and is there no more. */
  wasMarkedSince(name: string, atMs: number): boolean {
    return (this.#marked.get(name) ?? -Infinity) >= atMs;
  }

  /** A put or a deletion of a host's copy, before it is in `contents`. */
  copyPut(
    contents: Contents,
    { name, machine }: { name: string; machine: string },
    { kv }: Write,
  ): void {
    const at = `${name} ${machine}`;
    const before = contents.copy(name, machine);
    if (kv === undefined && before?.release === true) this.#marked.set(name, this.#world.now());
    if (kv === undefined) return;
    const after = JSON.parse(kv.value) as Assignment;
    if (isCause(before, after) || (before === undefined && this.#runsAnother(machine, after)))
      this.#stops.set(at, this.#world.now());
    if (isLaunched(after) || isLaunched(before)) this.#starts.set(at, this.#world.now());
  }

  /** The machine still runs what no key spoke of. */
  #runsAnother(id: string, { name, sha256, desiredState }: UnitTarget): boolean {
    return this.#world.machines().some((machine) => {
      const unit = machine.id === id ? machine.systemd.units.get(name) : undefined;
      return unit !== undefined && (desiredState !== 'launched' || sha256Of(unit.runs) !== sha256);
    });
  }

  /** A put of a global unit, before it is in `contents`. */
  globalPut(contents: Contents, name: string, { kv }: Write): void {
    const before = contents.globals.get(name);
    if (kv === undefined) return;
    const after = JSON.parse(kv.value) as GlobalUnit;
    const isStop = isCause(before, after) || after.desiredState === 'inactive';
    for (const machine of this.#world.machines()) {
      const at = `${name} ${machine.id}`;
      const isOther = before === undefined && this.#runsAnother(machine.id, after);
      if (isStop || isOther) this.#stops.set(at, this.#world.now());
      if (isLaunched(after) || isLaunched(before)) this.#starts.set(at, this.#world.now());
    }
  }

  /** Another history of the store: what was asked for until now may still be acted on by who has not heard. */
  restored(before: Contents): void {
    const now = this.#world.now();
    for (const [name, copies] of before.schedule)
      for (const [machine, copy] of copies)
        if (isLaunched(copy)) this.#starts.set(`${name} ${machine}`, now);
    for (const [name, global] of before.globals)
      if (isLaunched(global))
        for (const { id } of this.#world.machines()) this.#starts.set(`${name} ${id}`, now);
  }

  /** The rules as they are now, for every unit that they concern. */
  rules(contents: Contents): void {
    const now = this.#world.now();
    for (const [name, { machine }] of contents.placed) {
      const unit = contents.units.get(name);
      if (unit === undefined) continue;
      const why = isGlobal(unit) ? 'global' : contents.mightLeave(unit, machine);
      if (why !== undefined) this.#forbid(contents, name, machine);
    }
    for (const [name, global] of contents.globals)
      for (const machine of this.#world.machines())
        if (contents.globalMightNotRun(global, machine.id) !== undefined)
          this.#forbidden.set(`${name} ${machine.id}`, now);
  }

  /** And whoever is to be where it is: what is decided for both may be written for one, where the other was changed meanwhile. */
  #forbid(contents: Contents, name: string, machine: string): void {
    const at = `${name} ${machine}`;
    if (this.#forbidden.get(at) === this.#world.now()) return;
    this.#forbidden.set(at, this.#world.now());
    for (const [follower, placed] of contents.placed) {
      const unit = placed.machine === machine ? contents.units.get(follower) : undefined;
      if (unit !== undefined && rulesOf(unit).needs.machineOf.some((peer) => peer === name))
        this.#forbid(contents, follower, machine);
    }
  }
}

/** Whether a host that runs `before` stops it for `after`. Without a `before`: for any earlier version that it may still run. */
function isCause(
  before: Assignment | GlobalUnit | undefined,
  after: Assignment | GlobalUnit,
): boolean {
  if (after.release) return true;
  if (before === undefined) return false;
  const isLowered = before.desiredState === 'launched' && after.desiredState !== 'launched';
  return before.hash !== after.hash || isLowered;
}

/** What was asked for until now may still be acted on by who has not heard. */
function isLaunched(target: Assignment | GlobalUnit | undefined): boolean {
  return target?.release === false && target.desiredState === 'launched';
}
