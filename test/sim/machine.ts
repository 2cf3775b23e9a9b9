// A simulated machine: power, disk, systemd, D-Bus, network, time, and the fleetd that its systemd runs as fleet.service.
// Invariant: what happens to fleetd happens as systemd would do it; nothing here knows what fleet should do.
import { parseConfig, type Config } from '../../agent/config.ts';
import { openHost, openPresence, type Base, type Parts } from '../../agent/daemon-parts.ts';
import { runParts } from '../../agent/daemon.ts';
import { IdentityFile } from '../../agent/identity.ts';
import type { MachineId, Metadata } from '../../src/model/machine.ts';
import { keysUnder } from '../../src/registry/keys.ts';
import type { Registry } from '../../src/registry/registry.ts';
import type { Log } from '../../src/runtime/log.ts';
import { Wake } from '../../src/runtime/wake.ts';
import type { SimClock } from '../support/sim-clock.ts';
import { BusSystemd, SimBus } from './bus.ts';
import { Leave } from './leave.ts';
import { Link, newWire, type Wire } from './link.ts';
import { diskOf, MemoryDisk } from './memory-disk.ts';
import { Network } from './network.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import type { SimStore } from './store.ts';
import { SimSystemd, type UnitWatcher } from './systemd.ts';

export const KEYS = keysUnder('/_coreos.com/fleet/');

/** What machines are made of that is the same for all. */
export interface MachineWorld {
  readonly clock: SimClock;
  readonly store: SimStore;
  readonly sharedNetwork: Network;
  readonly watcher: (machine: SimMachine) => UnitWatcher;
  readonly logOf: (process: Process) => Log;
  readonly say: (who: string, what: string) => void;
  readonly nextProcessId: () => number;
}

export interface MachineOptions {
  /** `m1`, `m2`, …; a clone has its own name and another's id. */
  readonly name: string;
  readonly id: MachineId;
  readonly metadata: Metadata;
  readonly ttlSec: number;
  readonly random: Random;
}

/** What is open of a fleetd that runs. */
interface Running {
  readonly process: Process;
  readonly stop: AbortController;
  readonly wire: Wire;
  parts: Parts | undefined;
}

const RESTART_MIN_MS = 100;
const RESTART_MAX_MS = 5_000;
/** ms in which a timer that is due is carried out. */
const LATE_MS = 500;

export class SimMachine {
  readonly name: string;
  readonly id: MachineId;
  readonly metadata: Metadata;
  readonly clock: SimClock;
  readonly disk = new MemoryDisk();
  readonly systemd: SimSystemd;
  readonly bus = new SimBus();
  readonly network: Network;
  /** The type of the job that systemd has pending on fleet.service. */
  ownJob: 'stop' | 'restart' | undefined;
  readonly leave = new Leave();
  readonly #world: MachineWorld;
  readonly #random: Random;
  readonly #config: Config;
  #boots = 0;
  #isOn = false;
  #isRetired = false;
  /** fleet.service is to be up. */
  #isWanted = false;
  #running: Running | undefined;
  #frozen = 0;
  #countsTime = true;
  #frozenAtMs = 0;
  #suspendedMs = 0;
  #thawedAtMs = -Infinity;
  #wokenAtMs = -Infinity; // from suspend
  #wallOffsetMs = 0;
  #asleep: (() => void)[] = [];
  #whenEnded: (() => void)[] = [];

  constructor(world: MachineWorld, options: MachineOptions) {
    this.#world = world;
    this.#random = options.random;
    this.clock = world.clock;
    this.name = options.name;
    this.id = options.id;
    this.metadata = options.metadata;
    this.network = new Network(world.sharedNetwork);
    this.systemd = new SimSystemd({
      disk: this.disk,
      random: options.random.fork('systemd'),
      now: () => world.clock.now(),
      machineNow: () => this.now(),
      after: (ms, act) => this.after(ms, act),
      watcher: world.watcher(this),
    });
    const metadata = Object.entries(options.metadata).map(([key, value]) => `${key}=${value}`);
    this.#config = parseConfig({
      env: {
        FLEET_METADATA: metadata.join(','),
        FLEET_AGENT_TTL: `${options.ttlSec}s`,
        FLEET_PUBLIC_IP: '192.0.2.1',
      },
      uid: 0,
      standalone: false,
    }).config;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  get isFrozen(): boolean {
    return this.#frozen > 0;
  }

  /** It stood still just now: what its timers were to do before, they may do late, after a suspend by as long as they were set for. */
  get isLate(): boolean {
    const lateAtMs = Math.max(this.#thawedAtMs, this.#wokenAtMs + this.#config.agentTtlSec * 1000);
    return this.isFrozen || this.clock.now() - lateAtMs < LATE_MS;
  }

  /** Clock time in ms at which it last stood still. */
  get stoodStillAtMs(): number {
    return this.isFrozen ? this.clock.now() : this.#thawedAtMs;
  }

  get isLeaving(): boolean {
    return this.ownJob === 'stop';
  }

  get boots(): number {
    return this.#boots;
  }

  get process(): Process | undefined {
    return this.#running?.process;
  }

  /** The parts of the fleetd that runs, once it is up. */
  get parts(): Parts | undefined {
    return this.#running?.parts;
  }

  /** The registry as the API of the running fleetd has it, for one operation. */
  registryFor(operation: object): Registry | undefined {
    const running = this.#running;
    if (running?.parts === undefined || running.parts.presence.unavailable() !== undefined)
      return undefined;
    return { ...running.parts.registry, kv: new Link(running.wire, 'api', operation) };
  }

  /** As performance.now(): stands still while the machine is suspended. */
  now(): number {
    const asleepMs = this.isFrozen && !this.#countsTime ? this.clock.now() - this.#frozenAtMs : 0;
    return this.clock.now() - this.#suspendedMs - asleepMs;
  }

  wallNow(): number {
    return this.clock.wallNow() + this.#wallOffsetMs;
  }

  jumpWallClock(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Calls `act` when `ms` have passed on this machine's clock; answers how to take that back. */
  after(ms: number, act: () => void): () => void {
    const dueMs = this.now() + ms;
    let isCancelled = false;
    const fire = (): void => {
      if (isCancelled) return;
      if (this.isFrozen) return void this.#asleep.push(fire);
      const leftMs = dueMs - this.now();
      if (leftMs > 0.001) cancel = this.clock.schedule(leftMs, fire);
      else act();
    };
    let cancel = this.clock.schedule(ms, fire);
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  /** Calls at once, or as soon as the machine goes on. */
  whenAwake(act: () => void): void {
    if (this.isFrozen) this.#asleep.push(act);
    else act();
  }

  /** Everything here stands still: a paused virtual machine (time goes on), or suspend to memory (it does not). */
  freeze(ms: number, countsTime: boolean): void {
    if (this.isFrozen || !this.#isOn) return;
    this.#frozen = 1;
    this.#countsTime = countsTime;
    this.#frozenAtMs = this.clock.now();
    this.clock.schedule(ms, () => this.thaw());
  }

  thaw(): void {
    if (!this.isFrozen) return;
    this.#frozen = 0;
    this.#thawedAtMs = this.clock.now();
    if (!this.#countsTime) this.#wokenAtMs = this.#thawedAtMs;
    if (!this.#countsTime) this.#suspendedMs += this.#thawedAtMs - this.#frozenAtMs;
    const asleep = this.#asleep;
    this.#asleep = [];
    for (const act of asleep) act();
  }

  /** Power, systemd, fleet.service. */
  boot(): void {
    if (this.#isOn || this.#isRetired) return;
    this.#isOn = true;
    this.#boots += 1;
    this.bus.become('up');
    this.#world.say(this.name, `boots (boot ${this.#boots})`);
    this.startService();
  }

  /** It is off from now on, whatever was to boot it. */
  retire(): void {
    this.#isRetired = true;
    this.cutPower();
  }

  /** The plug is pulled. */
  cutPower(): void {
    if (!this.#isOn) return;
    this.#world.say(this.name, 'loses power');
    this.thaw();
    this.#isOn = false;
    this.#isWanted = false;
    this.#running?.process.die('power cut');
    this.systemd.powerOff();
    this.disk.boot(this.#random);
  }

  /** Shuts down in good order, then calls back. */
  shutDown(then: () => void): void {
    if (!this.#isOn) return then();
    this.stopService(() => {
      this.#isOn = false;
      this.#isWanted = false; // also where somebody asked for it meanwhile
      this.systemd.powerOff();
      this.disk.boot(undefined);
      then();
    });
  }

  /** systemctl start fleet */
  startService(): void {
    if (!this.#isOn || this.#isWanted) return;
    this.#isWanted = true;
    this.#start();
  }

  /** systemctl stop fleet; calls back when it has ended. */
  stopService(then: () => void): void {
    if (!this.#isWanted || this.ownJob !== undefined) return;
    this.#isWanted = false;
    this.leave.begin(this.clock.now());
    this.#end('stop', then);
  }

  /** systemctl restart fleet */
  restartService(): void {
    if (!this.#isWanted || this.ownJob !== undefined) return;
    this.#end('restart', () => this.#start());
  }

  /** kill -9 */
  kill(): void {
    this.#running?.process.die('SIGKILL');
  }

  processDied(process: Process, why: string): void {
    if (this.#running?.process !== process) return;
    this.#running = undefined;
    const whenEnded = this.#whenEnded;
    this.#whenEnded = [];
    this.ownJob = undefined;
    this.#world.say(this.name, `fleetd ${process.id} is dead: ${why}`);
    for (const each of whenEnded) each();
    if (!this.#isWanted) return;
    this.after(this.#random.between(RESTART_MIN_MS, RESTART_MAX_MS), () => this.#start());
  }

  #end(job: 'stop' | 'restart', then: () => void): void {
    this.#world.say(this.name, `systemctl ${job} fleet`);
    const running = this.#running;
    if (running === undefined) return then();
    this.ownJob = job;
    this.#whenEnded.push(then);
    if (running.parts === undefined) running.process.die('ended while it started');
    else running.process.deliver(() => running.stop.abort(new Error('SIGTERM')));
  }

  #start(): void {
    if (!this.#isOn || !this.#isWanted || this.#running !== undefined) return;
    const { clock, store, nextProcessId } = this.#world;
    const process = new Process(this, nextProcessId());
    const random = this.#random.fork(`process ${process.id}`);
    const wire = newWire({ process, clock, store, network: this.network, random });
    const running: Running = { process, stop: new AbortController(), wire, parts: undefined };
    this.#running = running;
    this.leave.nextStarts(this.clock.now());
    this.#world.say(this.name, `fleetd ${process.id} starts`);
    this.#run(running, random).then(
      () => process.die('ended'),
      (error: unknown) => process.die(`could not start: ${String(error)}`),
    );
  }

  async #run(running: Running, random: Random): Promise<void> {
    const { process, wire, stop } = running;
    const log = this.#world.logOf(process);
    const options = {
      config: this.#config,
      log,
      env: { INVOCATION_ID: 'sim', SYSTEMD_EXEC_PID: '1' },
      pid: 1,
      random: () => random.next(),
    };
    const base = await this.#base(running, random);
    const presence = openPresence(options, base);
    const host = await openHost(options, base, presence);
    const { clock, registry, systemd, machine, settings } = base;
    const quiet = (): Promise<boolean> => Promise.resolve(true);
    const parts: Parts = {
      clock,
      random: options.random,
      kv: new Link(wire, 'engine'),
      systemd,
      machine,
      presence,
      host,
      api: {
        listen: () => Promise.reject(new Error('below HTTP')),
        close: () => Promise.resolve(),
      },
      notifier: {
        watchdogMs: undefined,
        ready: quiet,
        reloading: quiet,
        stopping: quiet,
        watchdog: quiet,
        status: quiet,
      },
      registry,
      settings,
    };
    running.parts = parts;
    await runParts(
      {
        ...options,
        readConfig: () => Promise.resolve(this.#config),
        stop: stop.signal,
        reload: new Wake(),
        dump: new Wake(),
      },
      parts,
    );
  }

  async #base({ process, wire }: Running, random: Random): Promise<Base> {
    const disk = diskOf(process, this.disk);
    const bootId = `${this.name}-boot-${this.#boots}`;
    const identity = await IdentityFile.open(
      `${this.#config.runtimeDirectory}/identity.json`,
      { bootId, machineId: this.id },
      { disk, newId: () => `${this.name}-${Math.floor(random.next() * 2 ** 32).toString(16)}` },
    );
    const unreadable = (): void => undefined;
    return {
      clock: process.clock,
      disk,
      machine: this.id,
      registry: { kv: new Link(wire, 'agent'), keys: KEYS, unreadable },
      systemd: new BusSystemd({ process, systemd: this.systemd, bus: this.bus, random }),
      settings: { config: this.#config, primaryIp: '192.0.2.1', runtimes: new Map() },
      identity,
      bootId,
    };
  }
}
