// What `evict` promises: the units of a machine that a person has given up run elsewhere at once, whatever the engine thinks of it.
// Invariant: reads the world and changes nothing of it; says nothing while anything that the move needs is disturbed.
import type { Unit } from '../../src/model/unit.ts';
import { shortId, type Contents } from './contents.ts';
import type { SimMachine } from './machine.ts';
import type { Process } from './process.ts';

export interface EvictionsWorld {
  readonly now: () => number;
  readonly machines: () => readonly SimMachine[];
  readonly contents: () => Contents;
  readonly leader: () => Process | undefined;
  readonly soundSince: (machine: SimMachine) => number;
  /** Nothing stands in the unit's way there. */
  readonly mayTake: (unit: Unit, machine: string) => boolean;
  readonly violated: (what: string) => void;
}

/** ms in which a leader that nothing hinders has moved them. */
const AT_ONCE_MS = 10_000;

export class Evictions {
  readonly #world: EvictionsWorld;
  /** By `NAME MACHINE`: since when nothing has kept the unit from being moved off that machine. */
  readonly #since = new Map<string, number>();
  #leader: Process | undefined;

  constructor(world: EvictionsWorld) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { now, contents, leader, violated } = this.#world;
    const due = new Set<string>();
    if (leader() !== this.#leader) this.#since.clear();
    this.#leader = leader();
    for (const { name, machine } of contents().placed.values()) {
      if (!contents().evicted.has(machine) || contents().machines.has(machine)) continue;
      if (!this.#isFree(name, machine)) continue;
      const at = `${name} ${machine}`;
      due.add(at);
      const since = this.#since.get(at) ?? now();
      this.#since.set(at, since);
      if (now() - since > AT_ONCE_MS)
        violated(`${name} stays on ${shortId(machine)}, which was given up`);
    }
    for (const at of this.#since.keys()) if (!due.has(at)) this.#since.delete(at);
  }

  /** A leader and a machine that could take it are in order, and nobody else holds it: after an outage also one that was lost is doubted. */
  #isFree(name: string, from: string): boolean {
    const { contents, machines, mayTake } = this.#world;
    const unit = contents().wanted(name);
    const sound = machines().filter((each) => this.#isSound(each));
    const leads = sound.find((each) => each === this.#leader?.machine);
    if (unit === undefined || leads === undefined || leads.network.watchLagMs > 0) return false;
    const held = [...(contents().schedule.get(name)?.keys() ?? [])];
    if (held.some((machine) => machine !== from)) return false;
    const isOrphan = machines().some(({ id }) => contents().orphans.has(`${name} ${id}`));
    return !isOrphan && sound.some(({ id }) => contents().machines.has(id) && mayTake(unit, id));
  }

  #isSound(machine: SimMachine): boolean {
    return this.#world.now() - this.#world.soundSince(machine) > AT_ONCE_MS;
  }
}
