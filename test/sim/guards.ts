// What `OnPartition=stop` and `Fence=yes` promise, held against each start, each end of a lease and each timer that rings.
// Invariant: reads the world and changes nothing of it.
import type { Placement } from '../../src/model/unit.ts';
import { sha256Of } from '../../src/unitfile/hash.ts';
import type { Write } from '../../src/store/embedded/mvcc.ts';
import type { Contents, Place } from './contents.ts';
import type { SimMachine } from './machine.ts';
import type { Actor } from './store.ts';
import type { SystemdUnit } from './systemd.ts';
import { behaviourOf } from './units.ts';

export interface GuardsWorld {
  readonly now: () => number;
  readonly ttlMs: number;
  readonly machines: () => readonly SimMachine[];
  readonly contents: () => Contents;
  readonly renewsSince: (machine: SimMachine) => number;
  readonly leaseLostAt: (machine: SimMachine) => number;
  readonly wasRestored: () => boolean;
  readonly hasTwin: (machine: SimMachine) => boolean;
  /** When the unit was last placed elsewhere while that machine was gone. */
  readonly lostAt: (unit: string, machine: string) => number | undefined;
  readonly violated: (what: string) => void;
}

/** ms beyond its ttl in which a machine that nothing hinders has renewed its lease and its timers. */
const MARGIN_MS = 1_000;

export class Guards {
  readonly #world: GuardsWorld;
  /** By unit: the highest token of its starts, in this history of the store. */
  readonly #tokens = new Map<string, number>();
  /** `UNIT MACHINE`: the highest of its starts on that machine, in all histories. */
  readonly #tokensOn = new Map<string, number>();

  constructor(world: GuardsWorld) {
    this.#world = world;
  }

  /** Before it is in `contents`. */
  wrote(place: Place, { key, kv }: Write, actor: Actor | undefined): void {
    const { violated, contents } = this.#world;
    const who = actor?.process.machine;
    if (place.kind === 'machine' && kv === undefined && actor === undefined)
      this.#leaseEnded(place.machine);
    if (place.kind === 'placed' && actor?.role === 'agent') {
      // Only to be seen by whoever is about to move it: it says what it said.
      const before = contents().placed.get(place.name);
      const after = kv === undefined ? undefined : (JSON.parse(kv.value) as Placement);
      if (before === undefined || JSON.stringify(before) !== JSON.stringify(after))
        violated(`${who?.name} decides where ${place.name} is placed`);
    }
    if (place.kind === 'fence') {
      const token = kv === undefined ? 0 : (JSON.parse(kv.value) as { token: number }).token;
      if (token <= contents().fence)
        violated(`${key} becomes ${token}, and ${contents().fence} was given out`);
    }
  }

  restored(): void {
    this.#tokens.clear();
  }

  begun(machine: SimMachine, unit: SystemdUnit): void {
    const { contents, machines } = this.#world;
    const { fenced, global } = behaviourOf(unit.runs);
    if (fenced) this.#checkToken(machine, unit);
    if (global || contents().globals.has(unit.name)) return;
    // A version without the option promises nothing: a host that stood still may start it when another has the unit, in a version with it.
    if (contents().copy(unit.name, machine.id)?.release === true && !isGuarded(machine, unit))
      return;
    for (const other of machines())
      if (other !== machine) this.#checkOverlap(machine, other, unit.name);
  }

  /** Others may start its units from now on. */
  #leaseEnded(id: string): void {
    for (const machine of this.#world.machines()) {
      if (machine.id !== id || this.#mayRunOn(machine)) continue;
      for (const unit of machine.systemd.units.values())
        if (isGuarded(machine, unit))
          this.#world.violated(
            `${unit.name} runs on ${machine.name}, whose lease has ended: it has OnPartition=stop`,
          );
    }
  }

  /** A timer stops a unit: only where the host could not renew it. */
  alarmStops(machine: SimMachine, unit: SystemdUnit): void {
    const { now, ttlMs, renewsSince, hasTwin, violated } = this.#world;
    if (hasTwin(machine) || machine.isLate) return;
    if (now() - renewsSince(machine) < ttlMs + MARGIN_MS) return;
    violated(`a timer stops ${unit.name} on ${machine.name}, which reaches the store`);
  }

  #checkOverlap(machine: SimMachine, other: SimMachine, name: string): void {
    const { wasRestored, contents, violated } = this.#world;
    const unit = other.systemd.units.get(name);
    if (unit === undefined || !isGuarded(other, unit) || this.#mayRunOn(other)) return;
    // It stood still as it lost the unit, or its lease ended before its time: it stops it as it can.
    const lostAtMs = this.#world.lostAt(name, other.id) ?? Infinity;
    const leaseMs = lostAtMs - this.#world.leaseLostAt(other);
    if (other.stoodStillAtMs >= lostAtMs || (leaseMs >= 0 && leaseMs < this.#world.ttlMs)) return;
    // A backup does not know of it.
    if (wasRestored() && contents().copy(name, other.id)?.release !== false) return;
    violated(`${machine.name} starts ${name} while it runs on ${other.name} with OnPartition=stop`);
  }

  /** What is not covered: machines that stood still, two of one id, and leases that etcd has not kept. */
  #mayRunOn(machine: SimMachine): boolean {
    const { now, ttlMs, hasTwin, leaseLostAt } = this.#world;
    return machine.isLate || hasTwin(machine) || now() - leaseLostAt(machine) < ttlMs;
  }

  #checkToken(machine: SimMachine, { name, token, runs, askedAtMs }: SystemdUnit): void {
    const { violated, wasRestored, hasTwin, contents } = this.#world;
    if (token === undefined) return violated(`${machine.name} starts ${name} without a token`);
    const at = `${name} ${machine.name}`;
    // Of a global unit each machine guards its own; two machines of one id run the same, and the later token fences the other.
    const isShared = !behaviourOf(runs).global && !hasTwin(machine);
    // From its disk, and replaced meanwhile: what runs elsewhere is its successor, and has a higher one (docs/unit-files.md).
    const copy = contents().copy(name, machine.id);
    const isWanted = copy?.release === false && copy.sha256 === sha256Of(runs);
    const isOld = machine.parts?.presence.state === 'starting' && !isWanted;
    // It was asked, and stood still before systemd had heard of it: carried out late (docs/unit-files.md).
    const isLate = machine.stoodStillAtMs > askedAtMs && !isWanted;
    const known = this.#tokens.get(name) ?? 0;
    const least = Math.max(isShared && !isOld && !isLate ? known : 0, this.#tokensOn.get(at) ?? 0);
    if (token <= least)
      violated(
        `${machine.name} starts ${name} with token ${token}, and ${least} was given out${wasRestored() ? ' (restored)' : ''}`,
      );
    this.#tokens.set(name, Math.max(token, known));
    this.#tokensOn.set(at, Math.max(token, least));
  }
}

/** It is up there, and was started as one that stops in time. */
function isGuarded({ systemd }: SimMachine, { name, runs }: SystemdUnit): boolean {
  const { stopsCutOff, global } = behaviourOf(runs);
  return systemd.isUp(name) && stopsCutOff && !global;
}
