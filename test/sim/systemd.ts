// The systemd of a simulated machine: units, jobs and what becomes of them, as systemd(1) has it. It outlives every fleetd.
// Invariant: whatever starts, stops or ends a unit is told to `watcher` at the moment it happens.
import { basename, join } from 'node:path';
import type { JobResult } from '../../src/model/unit-state.ts';
import { Alarms } from './alarms.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { Random } from './random.ts';
import { behaviourOf } from './units.ts';

/** Who did it: fleet, a timer that fleet has set, a person at the machine, the unit itself, or the machine going down. */
export type Hand = 'fleet' | 'alarm' | 'person' | 'itself' | 'machine';

/** Told of what happens to units. */
export interface UnitWatcher {
  /** A start was asked; `begins` says whether the unit was down and starts now. */
  startAsked(unit: SystemdUnit, begins: boolean): void;
  /** It begins: now, or when the stop under way has ended. */
  begun(unit: SystemdUnit): void;
  /** A stop was asked while the unit was up. */
  stopAsked(unit: SystemdUnit, by: Hand): void;
  ended(unit: SystemdUnit, by: Hand): void;
  /** Its links are taken away. */
  unlinked(name: string): void;
  rings(alarm: string): void;
}

/** A job under way, or over. */
export interface SystemdJob {
  readonly kind: 'start' | 'stop';
  readonly unit: string;
  result: JobResult | undefined;
  readonly whenEnded: ((result: JobResult) => void)[];
}

export interface SystemdUnit {
  readonly name: string;
  /** As systemd last read it. */
  text: string;
  /** Of what runs, or ran last. */
  runs: string;
  activeState: 'inactive' | 'activating' | 'active' | 'deactivating' | 'failed';
  invocations: number;
  /** Clock time in ms when its last start was asked, before the way to systemd, */
  askedAtMs: number;
  /** and when it was last started. */
  startedAtMs: number;
  /** FLEET_GENERATION of what runs, or ran last. */
  token: number | undefined;
  /** Whoever has asked for the stop under way. */
  stoppingBy: Hand | undefined;
  /** What ended it last. */
  endedBy: Hand | undefined;
  /** No timer of OnPartition=stop has noted that it was down before it rang. */
  endedUnseen: boolean;
  /** ms; when it was last down after it had been up. */
  endedAtMs: number;
  job: SystemdJob | undefined;
  /** A start that waits for the stop under way. */
  next: SystemdJob | undefined;
  cancelTimer: () => void;
  dropIn: DropIn;
}

/** What a drop-in says beside the unit's file. */
interface DropIn {
  readonly assertPath: string | undefined;
  readonly environmentFile: string | undefined;
}

export interface SystemdWorld {
  readonly disk: MemoryDisk;
  readonly random: Random;
  readonly now: () => number;
  /** Clock of the machine, which stands still in suspend. */
  readonly machineNow: () => number;
  readonly after: (ms: number, act: () => void) => () => void;
  readonly watcher: UnitWatcher;
}

const nothing = (): void => undefined;

/** Where drop-ins of this boot are. */
const DROP_INS = '/run/systemd/system';
/** ms; TimeoutStartSec=. */
const START_TIMEOUT_MS = 90_000;

/** The manager. */
export class SimSystemd {
  readonly units = new Map<string, SystemdUnit>();
  readonly linked = new Map<string, string>();
  readonly enabled = new Set<string>();
  readonly alarms: Alarms;
  readonly #world: SystemdWorld;
  /** Called when a job has ended, a unit went, or all was read anew. */
  readonly listeners = new Set<() => void>();

  constructor(world: SystemdWorld) {
    this.#world = world;
    const { disk, random, machineNow, after, watcher } = world;
    this.alarms = new Alarms({
      disk,
      random,
      now: machineNow,
      after,
      stateOf: (name) => this.units.get(name)?.activeState ?? 'inactive',
      unnoted: (names) => this.#unnoted(names),
      stop: (name) => this.stop(name, 'alarm'),
      kill: (name) => this.kill(name, 'alarm'),
      rings: (name) => watcher.rings(name),
    });
  }

  isUp(name: string): boolean {
    const state = this.units.get(name)?.activeState ?? 'inactive';
    return state !== 'inactive' && state !== 'failed';
  }

  link(paths: readonly string[]): void {
    for (const path of paths) this.linked.set(basename(path), path);
  }

  enable(names: readonly string[]): void {
    for (const name of names) this.enabled.add(name);
  }

  disable(names: readonly string[]): void {
    for (const name of names) {
      this.enabled.delete(name);
      if (this.linked.delete(name)) this.#world.watcher.unlinked(name);
    }
  }

  reload(): void {
    for (const [name, path] of this.linked) {
      const text = this.#world.disk.read(path)?.toString('utf8');
      if (text === undefined) continue; // a link that leads nowhere
      const known = this.units.get(name);
      const unit = known ?? newUnit(name);
      unit.text = text;
      unit.dropIn = this.#dropInOf(name);
      this.units.set(name, unit);
    }
    for (const name of this.units.keys())
      if (!this.isUp(name) && !this.linked.has(name)) this.units.delete(name);
    this.#tell();
  }

  /** StartUnit with mode replace; undefined where systemd knows no such unit. */
  start(name: string, askedAtMs = this.#world.now()): SystemdJob | undefined {
    const unit = this.units.get(name);
    if (unit === undefined) return undefined;
    unit.askedAtMs = askedAtMs;
    const isDown = unit.activeState === 'inactive' || unit.activeState === 'failed';
    const isLet = this.#isLet(unit);
    this.#world.watcher.startAsked(unit, isDown && isLet);
    if (unit.activeState === 'active') return endedJob('start', name, 'done');
    if (unit.activeState === 'activating') return unit.job;
    if (unit.activeState === 'deactivating') {
      this.#endJob(unit, 'canceled');
      unit.next ??= newJob('start', name);
      return unit.next;
    }
    if (!isLet) return endedJob('start', name, 'assert');
    return this.#begin(unit, newJob('start', name));
  }

  /** StopUnit with mode replace; undefined where systemd knows no such unit. */
  stop(name: string, by: Hand): SystemdJob | undefined {
    const unit = this.units.get(name);
    if (unit === undefined) return undefined;
    if (!this.isUp(name)) return endedJob('stop', name, 'done');
    this.#world.watcher.stopAsked(unit, by);
    if (unit.next !== undefined) {
      settle(unit.next, 'canceled');
      unit.next = undefined;
    }
    if (unit.activeState === 'deactivating') {
      if (by === 'alarm') unit.stoppingBy = by; // what it finds on its way down counts as stopped by it
      unit.job ??= newJob('stop', name);
      return unit.job;
    }
    this.#endJob(unit, 'canceled');
    unit.cancelTimer();
    const job = newJob('stop', name);
    unit.job = job;
    unit.activeState = 'deactivating';
    unit.stoppingBy = by;
    const { stopMs, stopTimeoutMs } = behaviourOf(unit.runs);
    const ms = Math.min(stopMs, stopTimeoutMs);
    unit.cancelTimer = this.#world.after(ms, () =>
      this.#end(unit, unit.stoppingBy ?? by, 'inactive'),
    );
    return job;
  }

  /** SIGKILL to all that it has. */
  kill(name: string, by: Hand): void {
    const unit = this.units.get(name);
    if (unit === undefined || !this.isUp(name)) return;
    if (unit.stoppingBy === undefined) this.#world.watcher.stopAsked(unit, by);
    const result = unit.job?.kind === 'start' ? 'failed' : 'done';
    this.#end(unit, unit.stoppingBy ?? by, 'failed', result);
  }

  resetFailed(name: string): void {
    const unit = this.units.get(name);
    if (unit?.activeState === 'failed') unit.activeState = 'inactive';
  }

  /** The unit's process ends by itself. */
  crash(name: string): void {
    const unit = this.units.get(name);
    if (unit?.activeState === 'active') this.#end(unit, 'itself', 'failed');
  }

  /** The machine goes down: every unit ends, every link of this boot is gone. */
  powerOff(): void {
    this.alarms.powerOff();
    for (const unit of this.units.values()) {
      unit.cancelTimer();
      if (!this.isUp(unit.name)) continue;
      unit.activeState = 'inactive';
      this.#world.watcher.ended(unit, 'machine');
    }
    this.units.clear();
    this.linked.clear();
    this.enabled.clear();
  }

  /** A timer rang: whether they were up as it did, nobody can tell. */
  #unnoted(names: readonly string[]): void {
    for (const name of names) {
      const unit = this.units.get(name);
      if (unit !== undefined) unit.endedUnseen = true;
    }
  }

  #dropInOf(name: string): DropIn {
    const text = this.#world.disk.read(join(DROP_INS, `${name}.d`, '50-fleet.conf'))?.toString();
    const said = (pattern: RegExp): string | undefined => pattern.exec(text ?? '')?.[1];
    return {
      assertPath: said(/^AssertPathExists=(.*)$/m),
      environmentFile: said(/^EnvironmentFile=-(.*)$/m),
    };
  }

  #isLet({ dropIn: { assertPath } }: SystemdUnit): boolean {
    return assertPath === undefined || this.#world.disk.read(assertPath) !== undefined;
  }

  #tokenOf({ dropIn: { environmentFile } }: SystemdUnit): number | undefined {
    const text = environmentFile === undefined ? undefined : this.#world.disk.read(environmentFile);
    const token = /^FLEET_GENERATION=(\d+)$/m.exec(text?.toString() ?? '')?.[1];
    return token === undefined ? undefined : Number(token);
  }

  #begin(unit: SystemdUnit, job: SystemdJob): SystemdJob {
    const { startMs, fails, ends } = behaviourOf(unit.text);
    unit.runs = unit.text;
    unit.job = job;
    unit.activeState = 'activating';
    unit.invocations += 1;
    unit.startedAtMs = this.#world.now();
    unit.endedBy = undefined;
    unit.stoppingBy = undefined;
    unit.token = this.#tokenOf(unit);
    this.#world.watcher.begun(unit);
    const isTooLong = startMs > START_TIMEOUT_MS && startMs !== Infinity;
    if (startMs === Infinity) return job;
    unit.cancelTimer = this.#world.after(startMs, () => {
      if (fails || isTooLong) return this.#end(unit, 'itself', 'failed', 'failed');
      if (ends) return this.#end(unit, 'itself', 'inactive', 'done');
      unit.activeState = 'active';
      this.#endJob(unit, 'done');
    });
    return job;
  }

  #end(
    unit: SystemdUnit,
    by: Hand,
    state: 'inactive' | 'failed',
    result: JobResult = 'done',
  ): void {
    unit.cancelTimer();
    unit.cancelTimer = nothing;
    unit.activeState = state;
    unit.endedBy = by;
    unit.stoppingBy = undefined;
    this.#world.watcher.ended(unit, by);
    const { next } = unit;
    unit.next = undefined;
    this.#endJob(unit, result);
    if (next === undefined) return;
    if (this.#isLet(unit)) this.#begin(unit, next);
    else settle(next, 'assert');
  }

  #endJob(unit: SystemdUnit, result: JobResult): void {
    const { job } = unit;
    unit.job = undefined;
    if (job !== undefined) settle(job, result);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }
}

function newUnit(name: string): SystemdUnit {
  return {
    name,
    text: '',
    runs: '',
    activeState: 'inactive',
    invocations: 0,
    askedAtMs: 0,
    startedAtMs: 0,
    token: undefined,
    stoppingBy: undefined,
    endedBy: undefined,
    endedUnseen: false,
    endedAtMs: -Infinity,
    job: undefined,
    next: undefined,
    cancelTimer: nothing,
    dropIn: { assertPath: undefined, environmentFile: undefined },
  };
}

function newJob(kind: SystemdJob['kind'], unit: string): SystemdJob {
  return { kind, unit, result: undefined, whenEnded: [] };
}

function endedJob(kind: SystemdJob['kind'], unit: string, result: JobResult): SystemdJob {
  return { ...newJob(kind, unit), result };
}

function settle(job: SystemdJob, result: JobResult): void {
  job.result = result;
  for (const notice of job.whenEnded) notice(result);
}

/** By fleet, or by a timer of fleet's. */
export function wasStopped({ endedBy }: SystemdUnit): boolean {
  return endedBy === 'fleet' || endedBy === 'alarm';
}
