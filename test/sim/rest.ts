// What must follow when the faults are over: what runs is what is asked for, and then nobody does anything any more.
// Invariant: what may stay different is only what a restored backup or the rules leave to a person, and it is shown as that.
import type { Write } from '../../src/store/embedded/mvcc.ts';
import type { UnitTarget } from '../../src/model/unit.ts';
import { sha256Of } from '../../src/unitfile/hash.ts';
import { isGlobal, placeOf, rulesOf, type Contents } from './contents.ts';
import type { SimMachine } from './machine.ts';
import { wasStopped } from './systemd.ts';

export interface RestWorld {
  readonly now: () => number;
  readonly machines: () => readonly SimMachine[];
  readonly contents: () => Contents;
}

/** ms without any work before it counts as rest; longer than every interval at which something is looked at again but the listings. */
const QUIET_MS = 60_000;

export class Rest {
  readonly #world: RestWorld;
  #lastWorkMs = 0;
  #lastWork = '';

  constructor(world: RestWorld) {
    this.#world = world;
  }

  get lastWork(): string {
    return this.#lastWork;
  }

  wrote(writes: readonly Write[]): void {
    const kinds = writes.map(({ key }) => placeOf(key).kind);
    // Files, and marks of globals, are cleared long after; a machine may be elected at any time.
    if (kinds.every((kind) => kind === 'file' || kind === 'global' || kind === 'leader')) return;
    this.#worked(`writes ${writes.map(({ key }) => key).join(', ')}`);
  }

  /** A start or a stop was asked. */
  asked(what: string): void {
    this.#worked(what);
  }

  isQuiet(): boolean {
    return this.#world.now() - this.#lastWorkMs >= QUIET_MS;
  }

  /** What is not as it is asked for, a line each. */
  unsettled(): readonly string[] {
    const problems: string[] = [];
    for (const machine of this.#world.machines()) {
      if (!machine.isOn) continue;
      if (machine.parts?.presence.state !== 'registered')
        problems.push(`${machine.name} is not registered`);
      problems.push(...this.#machineProblems(machine));
    }
    for (const name of this.#world.contents().units.keys()) {
      const problem = this.#placementProblem(name);
      if (problem !== undefined) problems.push(problem);
    }
    return problems;
  }

  #worked(what: string): void {
    this.#lastWorkMs = this.#world.now();
    this.#lastWork = what;
  }

  /** A unit that is wanted is placed where it may run, or no machine may run it and that is said. */
  #placementProblem(name: string): string | undefined {
    const contents = this.#world.contents();
    const unit = contents.wanted(name);
    const placed = contents.placed.get(name);
    if (unit === undefined) {
      if (placed === undefined || !contents.machines.has(placed.machine)) return undefined;
      return `${name} is placed, and nobody wants it`;
    }
    if (placed === undefined)
      return contents.pending.has(name) ? undefined : `${name} waits, and nothing says why`;
    if (!contents.machines.has(placed.machine)) {
      const isOrphan = [...contents.machines.keys()].some((id) =>
        contents.orphans.has(`${name} ${id}`),
      );
      if (isOrphan && contents.pending.has(name)) return undefined; // it runs elsewhere: left to a person
      const taker = [...contents.machines.keys()].find((id) => this.mayTake(unit, id));
      return taker === undefined ? undefined : `${name} is placed on a machine that is gone`;
    }
    if (placed.release) return `${name} is still to leave its machine`;
    const why = contents.mustLeave(unit, placed.machine);
    return why === undefined ? undefined : `${name} is where it may not be: ${why}`;
  }

  /** Nothing stands in its way there; where something might, that is left to the tests of the plan. */
  mayTake(unit: UnitTarget, machine: string): boolean {
    const contents = this.#world.contents();
    const { needs } = rulesOf(unit);
    if (needs.machineOf.length > 0 || contents.factsForbid(unit, machine) !== undefined)
      return false;
    const names = [...contents.placed.values()].filter((placed) => placed.machine === machine);
    const others = [...names.map(({ name }) => name), ...contents.globals.keys()];
    return others.every((other) => {
      // One that was destroyed is in the way until its host has let it go.
      const record =
        contents.units.get(other) ?? contents.globals.get(other) ?? contents.copy(other, machine);
      if (record === undefined || other === unit.name) return true;
      const [mine, theirs] = [rulesOf(unit), rulesOf(record)];
      const named = [...mine.conflicts, ...mine.replaces].some((glob) => glob(other));
      return !named && ![...theirs.conflicts, ...theirs.replaces].some((glob) => glob(unit.name));
    });
  }

  #machineProblems(machine: SimMachine): readonly string[] {
    const contents = this.#world.contents();
    const problems: string[] = [];
    const say = (name: string, what: string): void =>
      void problems.push(`${name} ${what} on ${machine.name}`);
    const names = new Set([
      ...machine.systemd.units.keys(),
      ...contents.schedule.keys(),
      ...contents.globals.keys(),
    ]);
    for (const name of names) {
      const at = `${name} ${machine.id}`;
      const row = contents.states.get(at);
      // Left to a person, and said so.
      if (contents.orphans.has(at) || row?.refusal?.includes('the store went back') === true)
        continue;
      const target = this.#targetOf(name, machine);
      const unit = machine.systemd.units.get(name);
      if (target === undefined) {
        if (unit !== undefined) say(name, 'is loaded, and is not asked for');
        continue;
      }
      if (target === 'either') continue;
      if (unit === undefined) say(name, 'is not loaded');
      else if (sha256Of(unit.text) !== target.sha256) say(name, 'is loaded in another version');
      else if (target.desiredState === 'launched') {
        if (sha256Of(unit.runs) !== target.sha256) say(name, 'was never started in this version');
        else if (wasStopped(unit) && !machine.systemd.isUp(name)) say(name, 'was stopped');
      } else if (machine.systemd.isUp(name)) say(name, 'runs, and is only to be loaded');
      if (row === undefined) say(name, 'is not reported');
    }
    return problems;
  }

  /** What the store asks this machine for; `either` where conflicting globals decide. */
  #targetOf(name: string, machine: SimMachine): UnitTarget | 'either' | undefined {
    const contents = this.#world.contents();
    const copy = contents.copy(name, machine.id);
    if (copy !== undefined) return copy.release ? undefined : copy;
    const global = contents.globals.get(name);
    if (global === undefined || global.release || global.desiredState === 'inactive')
      return undefined;
    if (!isGlobal(global)) return undefined;
    if (contents.factsForbid(global, machine.id) !== undefined) return undefined;
    for (const [other, copies] of contents.schedule) {
      const mine = copies.get(machine.id);
      if (mine === undefined || other === name) continue;
      const { conflicts, replaces } = rulesOf(mine);
      if ([...conflicts, ...replaces].some((glob) => glob(name))) return 'either';
    }
    return global;
  }
}
