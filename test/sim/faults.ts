// Carries out the faults of a plan, and knows which machines are sound.
// Invariant: every fault that lasts is taken back when its time is over, and at the latest by `heal`.
import type { SimClock } from '../support/sim-clock.ts';
import { KEYS, type SimMachine } from './machine.ts';
import type { Network } from './network.ts';
import type { Fault } from './plan.ts';
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import type { SimStore } from './store.ts';

export interface FaultsWorld {
  readonly clock: SimClock;
  readonly store: SimStore;
  /** The network of all machines to the store. */
  readonly network: Network;
  readonly machines: () => readonly SimMachine[];
  readonly leader: () => Process | undefined;
  readonly random: Random;
  /** Work that goes on by itself. */
  readonly background: (work: Promise<void>) => void;
}

/** ms; kills of a crash loop follow each other so. */
const CRASH_LOOP_MS = 1_500;
const CRASHES = 6;
const DAY_MS = 86_400_000;

type MachineFault = Extract<Fault, { machine: string }>;
type StoreFault = Exclude<Fault, { machine: string }>;

export class Faults {
  readonly #world: FaultsWorld;
  readonly #lasting = new Set<() => void>();
  /** By machine: troubles under way. */
  readonly #troubles = new Map<SimMachine, number>();
  /** By machine: what keeps it from renewing its lease, or its timers, beside that. */
  readonly #hindrances = new Map<SimMachine, number>();
  readonly #unhinderedAtMs = new Map<SimMachine, number>();
  readonly #leaseLostAtMs = new Map<SimMachine, number>();
  /** By machine: clock time in ms when the last trouble ended. */
  readonly #endedAtMs = new Map<SimMachine, number>();

  constructor(world: FaultsWorld) {
    this.#world = world;
  }

  strike(fault: Fault): void {
    if (!('machine' in fault)) return this.#strikeStore(fault);
    const machine = this.#world.machines().find(({ name }) => name === fault.machine);
    if (machine !== undefined) this.#strikeMachine(machine, fault);
  }

  heal(): void {
    for (const undo of Array.from(this.#lasting)) undo();
  }

  /** Clock time in ms since when nothing was wrong with the machine, its fleetd and its network; Infinity while something is. */
  soundSince(machine: SimMachine): number {
    const { process } = machine;
    if (process === undefined || machine.isFrozen || machine.isLeaving) return Infinity;
    if ((this.#troubles.get(machine) ?? 0) > 0) return Infinity;
    // Two of one id take the key from each other.
    if (this.#world.machines().some((other) => other !== machine && other.id === machine.id))
      return Infinity;
    return Math.max(process.startedAtMs, this.#endedAtMs.get(machine) ?? 0);
  }

  /** Clock time in ms since when its fleetd could renew its lease and set timers; Infinity while it cannot. */
  renewsSince(machine: SimMachine): number {
    if ((this.#hindrances.get(machine) ?? 0) > 0) return Infinity;
    return Math.max(this.soundSince(machine), this.#unhinderedAtMs.get(machine) ?? 0);
  }

  /** When the machine's lease was last taken from it before its time. */
  leaseLostAt(machine: SimMachine): number {
    return this.#leaseLostAtMs.get(machine) ?? -Infinity;
  }

  #strikeMachine(machine: SimMachine, fault: MachineFault): void {
    const { clock, store, random, background } = this.#world;
    const { network, bus, disk } = machine;
    switch (fault.fault) {
      case 'die':
        return machine.process?.dieAfter(fault.calls);
      case 'kill':
        return machine.kill();
      case 'crash-loop':
        for (let i = 0; i < CRASHES; i += 1)
          clock.schedule(i * CRASH_LOOP_MS, () => machine.kill());
        return;
      case 'restart':
        return machine.restartService();
      case 'leave':
        return machine.stopService(() => {
          clock.schedule(fault.ms, () => machine.startService());
        });
      case 'reboot':
        return machine.shutDown(() => clock.schedule(fault.ms / 4, () => machine.boot()));
      case 'power-cut':
        machine.cutPower();
        return void clock.schedule(fault.ms, () => machine.boot());
      case 'cut':
        if (fault.breaks) network.break();
        return this.#trouble([machine], fault.ms, network.cut(fault.cut));
      case 'loss':
        return this.#trouble([machine], fault.ms, network.lose(fault.probability));
      case 'slow':
        return this.#trouble([machine], fault.ms, network.slow(fault.byMs));
      case 'watch-lag':
        return this.#last(fault.ms, network.lag(fault.byMs));
      case 'duplicates':
        return this.#last(fault.ms, network.duplicate());
      case 'break-streams':
        return network.break();
      case 'freeze':
      case 'suspend':
        machine.freeze(fault.ms, fault.fault === 'freeze');
        return this.#trouble([machine], fault.ms, () => machine.thaw());
      case 'bus-down':
      case 'bus-silent':
        bus.become(fault.fault === 'bus-down' ? 'down' : 'silent');
        return this.#hinder([machine], fault.ms, () => bus.become('up'));
      case 'reexec':
        return bus.drop();
      case 'fleetd-stopped':
        machine.process?.stop();
        return this.#trouble([machine], fault.ms, () => machine.process?.go());
      case 'disk-full':
        disk.isFull = true;
        return this.#trouble([machine], fault.ms, () => (disk.isFull = false));
      case 'wall-clock':
        return machine.jumpWallClock(random.between(-DAY_MS, DAY_MS));
      case 'lease-lost':
        this.#trouble([machine], 0, () => undefined);
        for (const each of this.#world.machines())
          if (each.id === machine.id) this.#leaseLostAtMs.set(each, clock.now());
        return background(store.loseLease(KEYS.machine(machine.id)));
      case 'unit-crashes':
      case 'unit-stopped-by-hand':
        return meddle(machine, fault);
    }
  }

  #strikeStore(fault: StoreFault): void {
    const { clock, store, network, machines, leader, background } = this.#world;
    switch (fault.fault) {
      case 'store-down':
        if (fault.breaks) network.break();
        return this.#hinder(machines(), fault.ms, network.cut(fault.cut));
      case 'store-slow':
        return this.#trouble(machines(), fault.ms, network.slow(fault.byMs));
      case 'store-lossy':
        return this.#trouble(machines(), fault.ms, network.lose(fault.probability));
      case 'store-reelects':
        this.#hinder(machines(), fault.ms, network.cut('silent'));
        return void clock.schedule(fault.ms / 2, () => background(store.reelect()));
      case 'store-restarts':
        network.break();
        this.#hinder(machines(), fault.ms, network.cut('refused'));
        return void clock.schedule(fault.ms / 2, () => background(store.restart()));
      case 'store-compacts':
        return background(store.compact());
      case 'leader-lease-lost':
        return background(store.loseLease(KEYS.leader));
      case 'leader-dies':
        return leader()?.die('SIGKILL');
      case 'store-restored':
        network.break();
        this.#hinder(machines(), 0, () => undefined);
        return background(store.restore(clock.now() - fault.agoMs));
    }
  }

  /** A fault that keeps these machines from renewing their leases. */
  #trouble(machines: readonly SimMachine[], ms: number, undo: () => void): void {
    for (const machine of machines)
      this.#troubles.set(machine, (this.#troubles.get(machine) ?? 0) + 1);
    this.#last(ms, () => {
      undo();
      for (const machine of machines) {
        this.#troubles.set(machine, (this.#troubles.get(machine) ?? 1) - 1);
        this.#endedAtMs.set(machine, this.#world.clock.now());
      }
    });
  }

  /** A fault for which no machine is taken for gone, and which keeps these from renewing their leases or their timers. */
  #hinder(machines: readonly SimMachine[], ms: number, undo: () => void): void {
    for (const machine of machines)
      this.#hindrances.set(machine, (this.#hindrances.get(machine) ?? 0) + 1);
    this.#last(ms, () => {
      undo();
      for (const machine of machines) {
        this.#hindrances.set(machine, (this.#hindrances.get(machine) ?? 1) - 1);
        this.#unhinderedAtMs.set(machine, this.#world.clock.now());
      }
    });
  }

  #last(ms: number, undo: () => void): void {
    const once = (): void => {
      if (this.#lasting.delete(once)) undo();
    };
    this.#lasting.add(once);
    this.#world.clock.schedule(ms, once);
  }
}

/** A unit that is up ends: by itself, or by a person. */
function meddle({ systemd }: SimMachine, { fault, nth }: Extract<Fault, { nth: number }>): void {
  const up = [...systemd.units.keys()].filter((name) => systemd.isUp(name));
  const name = up[nth % Math.max(1, up.length)];
  if (name === undefined) return;
  if (fault === 'unit-crashes') systemd.crash(name);
  else systemd.stop(name, 'person');
}
