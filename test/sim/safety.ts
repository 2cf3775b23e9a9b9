// What must hold after every event: each commit, start and stop is held against the promises of DESIGN §1.
// Invariant: reads the world and changes nothing of it; it shares no code with what decides.
import type { Write } from '../../src/store/embedded/mvcc.ts';
import type { Host } from '../../src/model/machine.ts';
import type { Assignment } from '../../src/model/unit.ts';
import { heldByBrake, type Vanished } from './brake.ts';
import { Causes } from './causes.ts';
import { Contents, placeOf, shortId, type Place } from './contents.ts';
import { Guards } from './guards.ts';
import type { SimMachine } from './machine.ts';
import type { Process } from './process.ts';
import type { Actor } from './store.ts';
import { wasStopped, type Hand, type SystemdUnit } from './systemd.ts';
import type { Try } from './requests.ts';
import type { Copies, Told } from './safety-records.ts';
import { behaviourOf } from './units.ts';
import { wrongWriter } from './writers.ts';

export interface SafetyWorld {
  readonly now: () => number;
  readonly ttlMs: number;
  readonly machines: () => readonly SimMachine[];
  /** Clock time in ms since when nothing is wrong with this machine, its fleetd and its network; Infinity while something is. */
  readonly soundSince: (machine: SimMachine) => number;
  /** The same of all that its fleetd needs to renew its lease and to set timers. */
  readonly renewsSince: (machine: SimMachine) => number;
  /** When its lease was last taken from it before its time, against what etcd promises. */
  readonly leaseLostAt: (machine: SimMachine) => number;
  readonly violated: (what: string) => void;
}

/** ms; how old what fleetd acts on may be: of the longest cut, freeze and lag together. */
const STALE_MS = 300_000;
/** ms; how late a leader may hear that a machine is back. */
const LATE_NEWS_MS = 20_000;
/** ms beyond its ttl in which a sound machine must have renewed its lease. */
const MARGIN_MS = 1_000;

export class Safety {
  #contents = new Contents();
  readonly #world: SafetyWorld;
  /** By create revision of the leader key. */
  readonly #leaders = new Map<bigint, Process>();
  readonly causes: Causes;
  readonly #guards: Guards;
  /** `NAME MACHINE`: moved off that machine because it was absent, since it was last started there. */
  readonly #lostFrom = new Map<string, number>();
  /** `NAME MACHINE`: generation whose start the store was told of, in this boot. */
  readonly #told = new Map<string, Told>();
  /** When each machine's key went, and whether it had said that it leaves. */
  readonly #vanished = new Map<string, Vanished>();
  readonly #unitChangedMs = new Map<string, number>();
  #restoredAtMs = -Infinity;

  constructor(world: SafetyWorld) {
    this.#world = world;
    this.causes = new Causes(world);
    this.#guards = new Guards({
      ...world,
      contents: () => this.#contents,
      wasRestored: () => this.wasRestored(),
      hasTwin: (machine) => this.#hasTwin(machine),
      lostAt: (unit, machine) => this.#lostFrom.get(`${unit} ${machine}`),
    });
  }

  /** What the store holds now. */
  get contents(): Contents {
    return this.#contents;
  }

  /** Says whether the unit's record has changed at or after this time. */
  unitChangedSince(name: string, atMs: number): boolean {
    return (this.#unitChangedMs.get(name) ?? -Infinity) >= atMs;
  }

  /** The process that holds the leader key. */
  leader(): Process | undefined {
    return this.contents.leader === undefined ? undefined : this.#leaders.get(this.contents.leader);
  }

  wasRestored(): boolean {
    return this.#restoredAtMs > -Infinity;
  }

  committed(writes: readonly Write[], revision: number, actor: Actor | undefined): void {
    const { contents } = this;
    const names = new Set<string>();
    const leaderBefore = contents.leader;
    if (actor?.operation !== undefined) (actor.operation as Try).committed.push(revision);
    const copies = new Map<string, Copies>();
    for (const { key } of writes) {
      const place = placeOf(key);
      if (place.kind !== 'unit' && place.kind !== 'placed' && place.kind !== 'schedule') continue;
      if (copies.has(place.name)) continue;
      const before = new Map(contents.schedule.get(place.name));
      copies.set(place.name, { before, placedOn: contents.placed.get(place.name)?.machine });
    }
    for (const write of writes) {
      const place = placeOf(write.key);
      const wrong = wrongWriter(place, actor);
      if (wrong !== undefined) this.#world.violated(wrong);
      this.#guards.wrote(place, write, actor);
      if (place.kind === 'host') this.#checkHost(place.machine, write);
      if (place.kind === 'unit') this.#checkUnit(place.name, write, actor);
      if (place.kind === 'file' && write.kv === undefined) this.#checkFile(place.sha256);
      if (place.kind === 'schedule') this.causes.copyPut(contents, place, write);
      if (place.kind === 'global') this.causes.globalPut(contents, place.name, write);
      this.#note(place, write, actor);
      contents.apply(write);
      if ('name' in place) names.add(place.name);
    }
    if (actor?.role === 'engine') this.#checkFence(writes, actor, leaderBefore);
    if (writes.some(({ key }) => decides(placeOf(key)))) this.causes.rules(contents);
    for (const [name, before] of copies) this.#checkCopies(name, before, actor);
  }

  /** The store is another one: what was true of the old one is no cause any more, and what is in the new one is. */
  restored(current: ReadonlyMap<string, Write>): void {
    this.#restoredAtMs = this.#world.now();
    this.#guards.restored();
    const { contents } = this;
    this.causes.restored(contents);
    const fresh = new Contents();
    for (const write of current.values()) {
      const place = placeOf(write.key);
      if (place.kind === 'schedule') this.causes.copyPut(contents, place, write);
      if (place.kind === 'global') this.causes.globalPut(contents, place.name, write);
      fresh.apply(write);
    }
    for (const id of contents.machines.keys())
      if (!fresh.machines.has(id))
        this.#vanished.set(id, {
          atMs: this.#world.now(),
          orderly: false,
          left: fresh.machines.size,
        });
    for (const id of fresh.machines.keys()) this.#vanished.delete(id);
    this.#contents = fresh;
    this.#told.clear();
    for (const name of [...fresh.units.keys(), ...contents.units.keys()])
      this.#unitChangedMs.set(name, this.#world.now());
    this.causes.rules(fresh);
  }

  startAsked(machine: SimMachine, unit: SystemdUnit, begins: boolean): void {
    if (!begins) return;
    const at = `${unit.name} ${machine.id}`;
    const now = this.#world.now();
    const copy = this.contents.copy(unit.name, machine.id);
    const target = copy ?? this.contents.globals.get(unit.name);
    const told = this.#told.get(at);
    const isHere = told?.by === machine && told.boot === machine.boots;
    const isSame = isHere && target?.generation === told.generation && target.hash === told.hash;
    // A timer that would have stopped it could not note that it was down (docs/unit-files.md), or it was to begin anew after a leave
    // in which it ended, be it by itself.
    const isUnseen = unit.endedUnseen && behaviourOf(unit.runs).stopsCutOff;
    const isOpen =
      isUnseen || (unit.endedAtMs > -Infinity && unit.endedAtMs <= machine.leave.untilMs);
    if (told !== undefined && copy !== undefined && isSame && !isOpen)
      this.#world.violated(
        `${machine.name} starts ${unit.name} again: that generation ${told.generation} was started is in the store`,
      );
    const asked = this.causes.startAsked(unit.name, machine.id);
    const isAsked = target?.desiredState === 'launched';
    if (!isAsked && now - asked > STALE_MS)
      this.#world.violated(`${machine.name} starts ${unit.name}, and nobody asked for that`);
    // A machine that has not heard of the mark begins it once more; it stays lost there.
    if (copy?.release !== true) this.#lostFrom.delete(at);
    // Where it is marked, the machine has lost the unit and does not know it yet.
    if (copy === undefined || copy.release || this.contents.globals.has(unit.name)) return;
    for (const other of this.#world.machines()) {
      if (other === machine || !other.systemd.isUp(unit.name)) continue;
      const lost = this.#lostFrom.has(`${unit.name} ${other.id}`);
      const isOrphan =
        this.wasRestored() && this.contents.copy(unit.name, other.id)?.release !== false;
      if (lost || isOrphan || this.#hasTwin(other)) continue;
      this.#world.violated(
        `${machine.name} starts ${unit.name} while it runs on ${other.name}, from where it was not lost`,
      );
    }
  }

  stopAsked(machine: SimMachine, unit: SystemdUnit, by: Hand): void {
    if (by === 'alarm') this.#guards.alarmStops(machine, unit);
    if (by !== 'fleet') return;
    const at = `${unit.name} ${machine.id}`;
    this.#told.delete(at);
    if (machine.isLeaving) return;
    const asked = this.contents.copy(unit.name, machine.id) ?? this.contents.globals.get(unit.name);
    const isWrong = asked?.release === true || asked?.desiredState === 'inactive';
    if (isWrong) return; // started from what is on the disk, it may be old
    const cause = this.causes.stopAsked(unit.name, machine.id);
    const forbidden = this.contents.globals.has(unit.name)
      ? this.causes.forbidden(unit.name, machine.id)
      : -Infinity;
    if (Math.max(cause, forbidden) >= unit.startedAtMs - STALE_MS) return;
    this.#world.violated(
      `${machine.name} stops ${unit.name}, which is healthy: no request and no rule asks for it`,
    );
  }

  begun(machine: SimMachine, unit: SystemdUnit): void {
    this.#guards.begun(machine, unit);
  }

  /** Its file is taken away: it may come again. */
  unlinked(machine: SimMachine, name: string): void {
    this.#told.delete(`${name} ${machine.id}`);
  }

  ended(machine: SimMachine, unit: SystemdUnit, by: Hand): void {
    unit.endedUnseen = machine.systemd.alarms.isRinging;
    unit.endedAtMs = this.#world.now();
    if (by === 'machine' || by === 'fleet' || by === 'alarm')
      this.#told.delete(`${unit.name} ${machine.id}`);
  }

  /** Two machines of one id: what the one that is turned away runs is a person's to stop. */
  #hasTwin(machine: SimMachine): boolean {
    return this.#world.machines().some((other) => other !== machine && other.id === machine.id);
  }

  /** What the leader key's owner has not written, nobody may write in its name. */
  #checkFence(writes: readonly Write[], actor: Actor, before: bigint | undefined): void {
    if (writes.every(({ key }) => placeOf(key).kind === 'leader')) return;
    const owner = before === undefined ? undefined : this.#leaders.get(before);
    if (owner === actor.process) return;
    const who = `${actor.process.machine.name} (fleetd ${actor.process.id})`;
    this.#world.violated(
      `${who} writes ${writes[0]?.key ?? ''} as leader, and ${owner === undefined ? 'nobody' : owner.machine.name} leads`,
    );
  }

  /** A person gives up what is gone only. */
  #checkHost(machine: string, { kv }: Write): void {
    const isEvicted = kv !== undefined && (JSON.parse(kv.value) as Host).evict === true;
    if (isEvicted && !this.contents.evicted.has(machine) && this.contents.machines.has(machine))
      this.#world.violated(`${shortId(machine)} is given up, and is there`);
  }

  #checkUnit(name: string, write: Write, actor: Actor | undefined): void {
    const asked = (actor?.operation as Try | undefined)?.asked;
    const names = asked !== undefined && 'unit' in asked ? asked.unit.name : undefined;
    const about = names ?? (asked !== undefined && 'name' in asked ? asked.name : undefined);
    if (about !== name) this.#world.violated(`${name} is written, and no request is about it`);
    this.#unitChangedMs.set(name, this.#world.now());
    const before = this.contents.units.get(name);
    if (write.kv === undefined) {
      if (asked?.op !== 'destroy')
        this.#world.violated(`${name} is deleted, and nobody destroyed it`);
      return;
    }
    const after = JSON.parse(write.kv.value) as typeof before & object;
    const left = Math.max(
      this.contents.placed.get(name)?.generation ?? 0,
      this.contents.globals.get(name)?.generation ?? 0,
    );
    const isNew =
      before === undefined ||
      before.hash !== after.hash ||
      before.desiredState !== after.desiredState;
    const least = Math.max(before?.generation ?? 0, left);
    if (isNew && after.generation <= (before === undefined ? left : least))
      this.#world.violated(
        `${name} is another version in generation ${after.generation}, and generation ${least} was there`,
      );
  }

  #checkFile(sha256: string): void {
    const { units, globals, schedule } = this.contents;
    const copies = [...schedule.values()].flatMap((each) => [...each.values()]);
    for (const target of [...units.values(), ...globals.values(), ...copies])
      if (target.sha256 === sha256)
        this.#world.violated(`the file of ${target.name} is deleted, and it is named`);
  }

  #note(place: Place, { kv }: Write, actor: Actor | undefined): void {
    const now = this.#world.now();
    if (place.kind === 'leader' && kv !== undefined && actor !== undefined)
      this.#leaders.set(kv.createRevision, actor.process);
    if (place.kind === 'machine') {
      if (kv !== undefined) this.#vanished.delete(place.machine);
      else if (!this.#vanished.has(place.machine))
        this.#vanished.set(place.machine, {
          atMs: now,
          orderly: this.contents.machines.get(place.machine)?.leaving === true,
          left: this.contents.machines.size - 1,
        });
      if (kv !== undefined) this.#backAtMs.set(place.machine, now);
    }
    if (place.kind === 'state' && kv === undefined)
      this.#told.delete(`${place.name} ${place.machine}`);
    if (place.kind === 'state' && kv !== undefined && actor?.role === 'agent') {
      const row = JSON.parse(kv.value) as { started?: number; hash: string };
      const by = actor.process.machine;
      const at = `${place.name} ${place.machine}`;
      const unit = by.systemd.units.get(place.name);
      // A row may come late: fleet has stopped the unit meanwhile.
      const isFresh = unit === undefined || unit.invocations === 0;
      const isOver = isFresh || wasStopped(unit) || unit.job?.kind === 'stop';
      if (row.started === undefined) this.#told.delete(at);
      if (row.started !== undefined && !isOver)
        this.#told.set(at, { generation: row.started, hash: row.hash, by, boot: by.boots });
    }
  }

  /** When each machine's key was last written. */
  readonly #backAtMs = new Map<string, number>();

  /** One unit's placement and its copies, after a commit that touched them. */
  #checkCopies(name: string, { before, placedOn }: Copies, actor: Actor | undefined): void {
    const { violated } = this.#world;
    const { contents } = this;
    const after = contents.schedule.get(name) ?? new Map<string, Assignment>();
    const current = [...after.values()].filter(({ release }) => !release);
    const placed = contents.placed.get(name);
    if (current.length > 1) violated(`${name} has ${current.length} current placements`);
    const [one] = current;
    if (one !== undefined && (placed?.machine !== one.machine || placed.release))
      violated(`${name} is current on ${shortId(one.machine)}, and its placement says otherwise`);
    for (const [machine, copy] of before) {
      const now = after.get(machine);
      if (now === undefined) this.#checkHandOver(name, copy, actor);
      else if (now.release && !copy.release) this.#checkMark(name, machine, actor);
    }
    const isPlacedNow = one !== undefined && before.get(one.machine)?.release !== false;
    if (!isPlacedNow) return;
    for (const [machine, copy] of before) {
      if (machine === one.machine) continue;
      this.#checkAbsent(name, machine, {
        what: `is placed on ${shortId(one.machine)}`,
        // What was taken from it earlier is only to be stopped there.
        lateMs: copy.release ? LATE_NEWS_MS : 0,
      });
      this.#lostFrom.set(`${name} ${copy.machine}`, this.#world.now());
    }
    if (before.get(one.machine)?.release === true && placedOn === one.machine)
      violated(`${name} is placed on ${shortId(one.machine)} again before that has handed it over`);
  }

  /** A copy goes when its host has stopped the unit, on a mark or because it leaves. */
  #checkHandOver(name: string, copy: Assignment, actor: Actor | undefined): void {
    const { violated } = this.#world;
    const machine = actor?.process.machine;
    if (actor?.role !== 'agent' || machine?.id !== copy.machine)
      return violated(`${name}'s copy for ${shortId(copy.machine)} is deleted by another`);
    if (!copy.release && actor.process.startedAtMs > machine.leave.atMs)
      // this fleetd was not told to leave
      violated(`${machine.name} hands ${name} over without being asked`);
    this.#told.delete(`${name} ${copy.machine}`);
    if (machine.systemd.isUp(name))
      violated(`${machine.name} hands ${name} over while it runs there`);
  }

  /** A mark on a unit that is wanted needs a rule; a user's request is one of its own. */
  #checkMark(name: string, machine: string, actor: Actor | undefined): void {
    const { contents } = this;
    if (actor?.role === 'api') return; // that the request is about this unit is checked with its record
    const unit = contents.wanted(name);
    if (unit === undefined) return;
    if (contents.placed.get(name)?.machine !== machine)
      return this.#checkAbsent(name, machine, { what: 'is taken away', lateMs: 0 });
    const forbiddenAt = this.causes.forbidden(name, machine);
    if (this.#world.now() - forbiddenAt <= STALE_MS) return;
    if (this.unitChangedSince(name, this.#world.now() - STALE_MS)) return;
    this.#world.violated(`${name} is to leave ${shortId(machine)}, and no rule says so`);
  }

  /** Something is done to a machine's units as only to those of an absent one. */
  #checkAbsent(
    name: string,
    machine: string,
    { what, lateMs }: { what: string; lateMs: number },
  ): void {
    const { violated, now, ttlMs, machines, soundSince } = this.#world;
    const vanished = this.#vanished.get(machine);
    const isBack = this.contents.machines.has(machine);
    const back = this.#backAtMs.get(machine) ?? -Infinity;
    if (isBack && now() - back >= lateMs)
      return violated(`${name} ${what} while ${shortId(machine)}, where it was, is there`);
    if (vanished?.orderly === true || this.contents.evicted.has(machine)) return; // as a person said
    for (const each of machines()) {
      if (each.id !== machine || now() - soundSince(each) < ttlMs + MARGIN_MS) continue;
      violated(`${name} ${what} although nothing is wrong with ${each.name}, where it was`);
    }
    // What left nothing in the store is not known to a leader that begins later.
    const known = [...this.#vanished].filter(([id]) => this.contents.knows(id));
    const braked = heldByBrake(new Map(known), machine, { nowMs: now(), ttlMs });
    if (braked !== undefined)
      violated(`${name} is taken from ${shortId(machine)} in spite of the brake: ${braked}`);
  }
}

function decides(place: Place): boolean {
  return ['unit', 'placed', 'global', 'machine', 'metadata'].includes(place.kind);
}
