// One simulation: machines, store and users under one clock, driven by a plan, watched after every event.
// Invariant: the plan alone decides what happens: no time, chance or I/O from outside comes in.
import { isFleetError } from '../../src/model/errors.ts';
import type { Log } from '../../src/runtime/log.ts';
import { SimClock } from '../support/sim-clock.ts';
import { SimMachine, type MachineWorld } from './machine.ts';
import { Network } from './network.ts';
import { END_MS, FAULTS_END_MS, type Asked, type Event, type Plan } from './plan.ts';
import type { Process } from './process.ts';
import { hashOf, Random } from './random.ts';
import { Requests, type Try } from './requests.ts';
import { Safety } from './safety.ts';
import { Evictions } from './evictions.ts';
import { Rest } from './rest.ts';
import { SimStore } from './store.ts';
import { placeOf, shortId } from './contents.ts';
import { Faults } from './faults.ts';
import { fileOf } from './units.ts';

export interface Outcome {
  readonly violations: readonly string[];
  /** Of all that happened, in order: equal runs have equal ones. */
  readonly hash: string;
  readonly story: readonly string[];
  /** How much happened. */
  readonly counts: Readonly<Record<'commits' | 'starts' | 'stops', number>>;
}

/** Runs a plan to its end, or to its first violation. With `tell`, the story is written down. */
export async function runPlan(plan: Plan, options: { tell?: boolean } = {}): Promise<Outcome> {
  return await new World(plan, options.tell === true).run();
}

/** Timers that fire in one simulation: many times what a healthy one has. */
const MOMENTS_MAX = 1_500_000;

/** ms between two looks at machines that were given up. */
const EVICTIONS_CHECK_MS = 2_000;

class World {
  readonly #plan: Plan;
  readonly #tells: boolean;
  readonly #clock = new SimClock({ now: 0 });
  readonly #random: Random;
  readonly #store: SimStore;
  readonly #network = new Network();
  readonly #safety: Safety;
  readonly #requests: Requests;
  readonly #rest: Rest;
  readonly #evictions: Evictions;
  readonly #machines: SimMachine[] = [];
  readonly #story: string[] = [];
  readonly #violations: string[] = [];
  readonly #counts = { commits: 0, starts: 0, stops: 0 };
  readonly #faults: Faults;
  #processes = 0;
  #history = 0;
  #hash = 0;

  constructor(plan: Plan, tells: boolean) {
    this.#plan = plan;
    this.#tells = tells;
    this.#random = new Random(`run ${plan.seed}`);
    const now = (): number => this.#clock.now();
    const machines = (): readonly SimMachine[] => this.#machines;
    const violated = (what: string): void => this.#violated(what);
    this.#safety = new Safety({
      now,
      ttlMs: plan.ttlSec * 1000,
      machines,
      soundSince: (machine) => this.#faults.soundSince(machine),
      renewsSince: (machine) => this.#faults.renewsSince(machine),
      leaseLostAt: (machine) => this.#faults.leaseLostAt(machine),
      violated,
    });
    this.#store = new SimStore(this.#clock, {
      committed: (writes, revision, actor) => {
        try {
          this.#counts.commits += 1;
          for (const { key, kv } of writes) this.#mark(`${revision} ${key} ${kv?.value ?? ''}`);
          if (this.#tells) {
            const who =
              actor === undefined ? 'store' : `${actor.process.machine.name} ${actor.role}`;
            for (const { key, kv } of writes)
              this.#say(who, `${revision}: ${toldWrite(key, kv?.value)}`);
          }
          this.#safety.committed(writes, revision, actor);
          this.#rest.wrote(writes);
        } catch (error) {
          violated(String(error)); // the store must not take it for a failure of its journal
        }
      },
      restored: (current) => {
        this.#history += 1;
        this.#safety.restored(current);
      },
    });
    this.#requests = new Requests({
      machines,
      history: () => this.#history,
      now,
      after: (ms, act) => void this.#clock.schedule(ms, act),
      say: (what) => this.#say('user', what),
      violated,
      held: (one) => this.#held(one),
    });
    this.#rest = new Rest({ now, machines, contents: () => this.#safety.contents });
    this.#faults = new Faults({
      clock: this.#clock,
      store: this.#store,
      network: this.#network,
      machines,
      leader: () => this.#safety.leader(),
      random: this.#random.fork('faults'),
      background: (work) => void work.catch((error: unknown) => violated(String(error))),
    });
    this.#evictions = new Evictions({
      now,
      machines,
      contents: () => this.#safety.contents,
      leader: () => this.#safety.leader(),
      soundSince: (machine) => this.#faults.soundSince(machine),
      mayTake: (unit, machine) => this.#rest.mayTake(unit, machine),
      violated,
    });
    for (const each of plan.machines) {
      const world: MachineWorld = {
        clock: this.#clock,
        store: this.#store,
        sharedNetwork: this.#network,
        watcher: (machine) => ({
          startAsked: (unit, begins) => {
            this.#counts.starts += 1;
            this.#tell(
              machine.name,
              `systemd starts ${unit.name}${begins ? '' : ' (nothing to do)'}`,
            );
            this.#safety.startAsked(machine, unit, begins);
            if (begins) this.#rest.asked(`${machine.name} starts ${unit.name}`);
          },
          stopAsked: (unit, by) => {
            this.#counts.stops += 1;
            this.#tell(machine.name, `systemd stops ${unit.name}, asked by ${by}`);
            this.#safety.stopAsked(machine, unit, by);
            this.#rest.asked(`${machine.name} stops ${unit.name}`);
          },
          begun: (unit) => this.#safety.begun(machine, unit),
          rings: (alarm) => this.#tell(machine.name, `alarm ${alarm} rings`),
          ended: (unit, by) => {
            this.#tell(machine.name, `${unit.name} has ended, by ${by}`);
            this.#safety.ended(machine, unit, by);
          },
          unlinked: (name) => this.#safety.unlinked(machine, name),
        }),
        logOf: (process) => this.#logOf(process),
        say: (who, what) => this.#tell(who, what),
        nextProcessId: () => (this.#processes += 1),
      };
      const { name, id, metadata } = each;
      const random = this.#random.fork(name);
      const machine = new SimMachine(world, { name, id, metadata, ttlSec: plan.ttlSec, random });
      this.#machines.push(machine);
    }
  }

  async run(): Promise<Outcome> {
    const { events, machines } = this.#plan;
    for (const [i, { joinsAtMs }] of machines.entries())
      this.#clock.schedule(joinsAtMs, () => this.#machines[i]?.boot());
    for (const event of events) this.#clock.schedule(event.atMs, () => this.#happen(event));
    this.#clock.schedule(FAULTS_END_MS, () => this.#heal());
    this.#watchEvictions();
    let moments = 0;
    const isOver = (): boolean => {
      moments += 1;
      if (moments === MOMENTS_MAX) this.#violated('so much happens that it never ends');
      return this.#violations.length > 0;
    };
    await this.#clock.advanceUntil(isOver, FAULTS_END_MS);
    if (!isOver()) await this.#settle(isOver);
    const { hash, story, counts } = { hash: this.#hash, story: this.#story, counts: this.#counts };
    for (const machine of this.#machines) machine.kill();
    return { violations: this.#violations, hash: hash.toString(16), story, counts };
  }

  /** All comes to rest by itself: within the time that is left, what runs is what is asked for, and then nothing is done any more. */
  async #settle(isOver: () => boolean): Promise<void> {
    const stepMs = 5_000;
    while (!isOver() && this.#clock.now() < END_MS) {
      await this.#clock.advanceUntil(isOver, stepMs);
      if (this.#rest.isQuiet() && this.#rest.unsettled().length === 0) break;
    }
    if (isOver()) return;
    for (const what of this.#rest.unsettled()) this.#violated(`never comes to rest: ${what}`);
    if (this.#violations.length === 0 && !this.#rest.isQuiet())
      this.#violated(`work goes on although all is as it should be: ${this.#rest.lastWork}`);
  }

  #watchEvictions(): void {
    this.#evictions.check();
    this.#clock.schedule(EVICTIONS_CHECK_MS, () => this.#watchEvictions());
  }

  #happen(event: Event): void {
    if ('op' in event) return this.#requests.ask(event, event.via);
    if (this.#tells) this.#say('fault', JSON.stringify(event));
    this.#mark(event.fault);
    this.#faults.strike(event);
  }

  /** All faults are over: what was cut is joined, what stands still goes on, what is off boots unless it is gone for good. */
  #heal(): void {
    this.#say('world', 'the faults are over');
    this.#faults.heal();
    for (const [i, { staysOff, isClone }] of this.#plan.machines.entries()) {
      const machine = this.#machines[i]!;
      if (staysOff || isClone) machine.retire();
      else if (machine.isOn) machine.startService();
      else machine.boot();
    }
  }

  /** Whether the record was as asked at some time since the try began. */
  #held({ asked, beganAtMs }: Try): boolean {
    const { contents, causes } = this.#safety;
    if (asked.op === 'patch' || asked.op === 'evict') return true;
    const name = 'unit' in asked ? asked.unit.name : asked.name;
    // Of two who destroy it at once, both are told that it is destroyed.
    if (this.#safety.unitChangedSince(name, beganAtMs)) return true;
    const copies = [...(contents.schedule.get(name)?.values() ?? [])];
    if (asked.op === 'destroy')
      // its orphans, by the other
      return copies.some(({ release }) => release) || causes.wasMarkedSince(name, beganAtMs);
    const unit = contents.units.get(name);
    if (asked.op === 'adopt') return unit !== undefined;
    const isFile = !('unit' in asked) || unit?.sha256 === fileOf(asked.unit).sha256;
    return unit?.desiredState === desiredOf(asked.op) && isFile;
  }

  #logOf(process: Process): Log {
    const who = process.machine.name;
    const write = (fields: object, message: string): void => {
      const err = 'err' in fields ? fields.err : undefined;
      // What the code itself calls a fault is one; a full disk is none.
      if (err instanceof Error && !isFleetError(err) && !('syscall' in err))
        this.#violated(`${who}: ${message}: ${err.stack}`);
      if (this.#tells) this.#say(who, `${message} ${JSON.stringify(fields)}`);
    };
    const debug = (): void => undefined;
    const log: Log = {
      error: write,
      warn: write,
      info: this.#tells ? write : debug,
      debug,
      child: () => log,
      setVerbose: debug,
      write: debug,
    };
    return log;
  }

  #violated(what: string): void {
    this.#violations.push(what);
    this.#say('VIOLATED', what);
  }

  #mark(what: string): void {
    this.#hash = hashOf(what, this.#hash ^ Math.floor(this.#clock.now() * 1000));
  }

  /** Of what happens to a machine: it counts for the hash as well. */
  #tell(who: string, what: string): void {
    this.#mark(what);
    this.#say(who, what);
  }

  #say(who: string, what: string): void {
    if (!this.#tells) return;
    this.#story.push(`${time(this.#clock.now())} ${who.padEnd(9)} ${what}`);
  }
}

function desiredOf(op: Exclude<Asked['op'], 'patch' | 'destroy' | 'adopt' | 'evict'>): string {
  if (op === 'start') return 'launched';
  return op === 'load' || op === 'stop' ? 'loaded' : 'inactive';
}

/** Minutes, seconds and milliseconds of the clock. */
function time(ms: number): string {
  const minutes = String(Math.floor(ms / 60_000)).padStart(2, '0');
  return `${minutes}:${((ms % 60_000) / 1000).toFixed(3).padStart(6, '0')}`;
}

/** A write as a person wants to read it. */
function toldWrite(key: string, value: string | undefined): string {
  const place = placeOf(key);
  const where = 'machine' in place ? ` ${shortId(place.machine)}` : '';
  const name = 'name' in place ? ` ${place.name}` : '';
  const what = `${place.kind}${name}${where}`;
  if (value === undefined) return `deletes ${what}`;
  if (place.kind === 'file') return `puts file ${place.sha256.slice(0, 8)}`;
  const { v: _v, options: _options, name: _name, requestId: _id, ...rest } = JSON.parse(value);
  return `puts ${what} ${JSON.stringify(rest).replaceAll(/"([0-9a-f]{8})[0-9a-f]{24,}"/g, '$1')}`;
}
