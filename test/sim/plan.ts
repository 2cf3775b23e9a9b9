// What happens in one simulation: drawn from the seed before it begins, as plain data, so that it can be told, cut down and run again.
// Invariant: same seed, same plan; any part of a plan's events is a plan.
import { parseMachineId, type MachineId, type Metadata } from '../../src/model/machine.ts';
import { Random } from './random.ts';
import type { Cut } from './network.ts';
import type { UnitKind, UnitVersion } from './units.ts';

export interface PlannedMachine {
  readonly name: string;
  readonly id: MachineId;
  readonly metadata: Metadata;
  /** ms; it boots then for the first time. */
  readonly joinsAtMs: number;
  /** It has no power any more when the faults are over. */
  readonly staysOff: boolean;
  /** It was made with the machine-id of another; goes when the faults are over. */
  readonly isClone: boolean;
}

/** What a user asks for. */
export type Asked =
  | Readonly<{ op: 'start' | 'load' | 'submit'; unit: UnitVersion; onlyNew: boolean }>
  | Readonly<{ op: 'stop' | 'unload' | 'destroy'; name: string }>
  /** What a machine runs unknown to the store; `machine` says which one, where several do. */
  | Readonly<{ op: 'adopt'; name: string; machine: string | undefined }>
  | Readonly<{ op: 'evict'; machine: string }>
  | Readonly<{ op: 'patch'; machine: string; key: string; value: string | undefined }>;

/** What goes wrong. `ms`: for so long. */
export type Fault =
  | Readonly<{ fault: 'die'; machine: string; calls: number }>
  | Readonly<{ fault: 'kill' | 'restart' | 'crash-loop'; machine: string }>
  | Readonly<{ fault: 'leave' | 'reboot' | 'power-cut'; machine: string; ms: number }>
  | Readonly<{ fault: 'cut'; machine: string; ms: number; cut: Cut; breaks: boolean }>
  | Readonly<{ fault: 'loss'; machine: string; ms: number; probability: number }>
  | Readonly<{ fault: 'slow' | 'watch-lag'; machine: string; ms: number; byMs: number }>
  | Readonly<{
      fault: 'duplicates' | 'freeze' | 'suspend' | 'fleetd-stopped';
      machine: string;
      ms: number;
    }>
  | Readonly<{ fault: 'bus-down' | 'bus-silent' | 'disk-full'; machine: string; ms: number }>
  | Readonly<{ fault: 'reexec' | 'break-streams' | 'wall-clock' | 'lease-lost'; machine: string }>
  | Readonly<{ fault: 'unit-crashes' | 'unit-stopped-by-hand'; machine: string; nth: number }>
  | Readonly<{ fault: 'store-down'; ms: number; cut: Cut; breaks: boolean }>
  | Readonly<{ fault: 'store-slow'; ms: number; byMs: number }>
  | Readonly<{ fault: 'store-lossy'; ms: number; probability: number }>
  | Readonly<{ fault: 'store-reelects' | 'store-restarts'; ms: number }>
  | Readonly<{ fault: 'store-compacts' | 'leader-lease-lost' | 'leader-dies' }>
  | Readonly<{ fault: 'store-restored'; agoMs: number }>;

export type Event = Readonly<{ atMs: number }> & (Fault | (Asked & Readonly<{ via: number }>));

export interface Plan {
  readonly seed: number;
  readonly ttlSec: number;
  readonly machines: readonly PlannedMachine[];
  /** In order of time. */
  readonly events: readonly Event[];
}

const minuteMs = 60_000;
/** Faults and requests end; what is left is for all to come to rest. */
export const FAULTS_END_MS = 22 * minuteMs;
export const END_MS = 30 * minuteMs;
/** The cluster is left alone at first. */
const CALM_MS = 10_000;

const KINDS: Readonly<Record<UnitKind, number>> = {
  plain: 40,
  metadata: 12,
  conflicts: 7,
  'machine-of': 7,
  replaces: 3,
  pinned: 3,
  global: 4,
  'global-metadata': 4,
  install: 5,
  oneshot: 4,
  fails: 3,
  'slow-start': 3,
  'hangs-in-start': 1,
  'slow-stop': 3,
  'hangs-in-stop': 1,
  fenced: 5,
  'fenced-global': 1,
  'fenced-pinned': 2,
  'cut-off': 12,
  'cut-off-metadata': 3,
  'cut-off-slow-stop': 3,
  'cut-off-hangs': 2,
  'cut-off-oneshot': 2,
  'cut-off-global': 2,
};

/** Faults after which somebody may say that the machine is gone for good. */
const TAKES_AWAY: ReadonlySet<Fault['fault']> = new Set(['power-cut', 'cut', 'leave', 'reboot']);
/** requests about orphans after a backup was restored. */
const AFTER_A_RESTORE = 8;

const METADATA = [
  ['zone', ['a', 'b']],
  ['disk', ['ssd', 'hdd']],
] as const;

/** Draws the plan of a seed. */
export function planOf(seed: number): Plan {
  const random = new Random(`seed ${seed}`);
  const machines = machinesOf(random.fork('machines'));
  const drawer = new Drawer(random.fork('events'), machines);
  return {
    seed,
    ttlSec: random.pick([10, 15, 30, 30, 30]),
    machines,
    events: drawer.events().toSorted((a, b) => a.atMs - b.atMs),
  };
}

function machinesOf(random: Random): readonly PlannedMachine[] {
  const count = random.pick([1, 2, 2, 3, 3, 3, 4, 4, 5]);
  const machines: PlannedMachine[] = [];
  for (let i = 1; i <= count; i += 1) {
    machines.push({
      name: `m${i}`,
      id: idOf(i),
      metadata: metadataOf(random),
      joinsAtMs:
        i === 1 || random.chance(0.8) ? random.between(0, 500) : random.between(0, 600_000),
      staysOff: i > 1 && random.chance(0.08),
      isClone: false,
    });
  }
  if (random.chance(0.06)) {
    const like = random.pick(machines);
    const joinsAtMs = random.between(minuteMs, 15 * minuteMs);
    machines.push({ ...like, name: `${like.name}-clone`, joinsAtMs, isClone: true });
  }
  return machines;
}

function idOf(index: number): MachineId {
  return parseMachineId(String(index).padStart(8, '0').padEnd(32, 'a'))!;
}

function metadataOf(random: Random): Metadata {
  const pairs = METADATA.filter(() => random.chance(0.8));
  return Object.fromEntries(pairs.map(([key, values]) => [key, random.pick(values)]));
}

/** How a simulation as a whole is. */
interface Climate {
  readonly units: number;
  readonly requests: number;
  readonly faults: number;
}

class Drawer {
  readonly #random: Random;
  readonly #machines: readonly PlannedMachine[];
  readonly #names: readonly string[];
  readonly #climate: Climate;
  #version = 0;

  constructor(random: Random, machines: readonly PlannedMachine[]) {
    this.#random = random;
    this.#machines = machines;
    this.#climate = {
      units: random.whole(8, 32),
      requests: random.pick([30, 60, 60, 110]),
      faults: random.pick([0, 6, 12, 12, 20, 35]),
    };
    this.#names = Array.from({ length: this.#climate.units }, (_, i) => `u${i + 1}.service`);
  }

  events(): readonly Event[] {
    const random = this.#random;
    const events: Event[] = [];
    // Most units are started at the beginning, in a few bursts.
    for (const name of this.#names) {
      if (!random.chance(0.7)) continue;
      const atMs = CALM_MS + random.pick([0, 0, 500, 20_000]) + random.between(0, 300);
      events.push({ atMs, ...this.#start(name), via: random.whole(0, 9) });
    }
    // Things come together: most at a few moments, so that they meet.
    const moments = Array.from({ length: random.whole(3, 9) }, () =>
      random.between(CALM_MS, FAULTS_END_MS - minuteMs),
    );
    const when = (): number => {
      if (random.chance(0.25)) return random.between(CALM_MS, FAULTS_END_MS - minuteMs);
      return random.pick(moments) + random.pick([0, 0, 1, 3, 20]) * random.between(0, 1_000);
    };
    for (let i = 0; i < this.#climate.requests; i += 1)
      events.push({ atMs: when(), ...this.#request(), via: random.whole(0, 9) });
    for (let i = 0; i < this.#climate.faults; i += 1) events.push(...this.#faultAt(when()));
    return events;
  }

  #request(): Asked {
    const random = this.#random;
    const name = random.pick(this.#names);
    const op = random.weighted({
      start: 36,
      replace: 18,
      load: 8,
      submit: 3,
      stop: 8,
      unload: 9,
      destroy: 11,
      patch: 7,
      evict: 1,
      adopt: 1,
    });
    switch (op) {
      case 'start':
        return this.#start(name);
      case 'replace':
        return { op: 'start', unit: this.#unit(name), onlyNew: false };
      case 'load':
      case 'submit':
        return { op, unit: this.#unit(name), onlyNew: random.chance(0.3) };
      case 'stop':
      case 'unload':
      case 'destroy':
        return { op, name };
      case 'adopt':
        return this.#adopt(name);
      case 'evict':
        return { op, machine: random.pick(this.#machines).name };
      case 'patch': {
        const [key, values] = random.pick(METADATA);
        const value = random.chance(0.25) ? undefined : random.pick(values);
        return { op, machine: random.pick(this.#machines).name, key, value };
      }
    }
  }

  #adopt(name: string): Asked {
    const random = this.#random;
    const machine = random.chance(0.5) ? random.pick(this.#machines).name : undefined;
    return { op: 'adopt', name, machine };
  }

  /** A fault, and what a person may do about it. */
  #faultAt(atMs: number): readonly Event[] {
    const random = this.#random;
    const fault = this.#fault();
    const events: Event[] = [{ atMs, ...fault }];
    const later = (ms: number, asked: Asked): void =>
      void events.push({ atMs: atMs + ms, ...asked, via: random.whole(0, 9) });
    if (TAKES_AWAY.has(fault.fault) && 'ms' in fault && 'machine' in fault && random.chance(0.3))
      later(random.between(0, fault.ms), { op: 'evict', machine: fault.machine });
    if (fault.fault !== 'store-restored') return events;
    for (let i = 0; i < AFTER_A_RESTORE; i += 1) {
      const name = random.pick(this.#names);
      const ms = random.pick([3_000, 30_000]) * random.next();
      later(ms, random.chance(0.8) ? this.#adopt(name) : { op: 'destroy', name });
    }
    return events;
  }

  #start(name: string): Asked {
    return { op: 'start', unit: this.#unit(name), onlyNew: this.#random.chance(0.15) };
  }

  #unit(name: string): UnitVersion {
    const random = this.#random;
    this.#version += 1;
    const kind = random.weighted(KINDS);
    return { name, version: this.#version, kind, of: this.#of(name, kind) };
  }

  #of(name: string, kind: UnitKind): string {
    const random = this.#random;
    const other = (): string => random.pick(this.#names.filter((each) => each !== name));
    if (kind === 'metadata' || kind === 'global-metadata' || kind === 'cut-off-metadata') {
      const [key, values] = random.pick(METADATA);
      return `${key}=${random.pick(values)}`;
    }
    if (kind === 'conflicts')
      return random.chance(0.2) ? `u${random.whole(1, 3)}*.service` : other();
    if (kind === 'machine-of' || kind === 'replaces') return other();
    return kind === 'pinned' || kind === 'fenced-pinned' ? random.pick(this.#machines).id : '';
  }

  #fault(): Fault {
    const random = this.#random;
    const fault = random.weighted(FAULTS);
    const machine = random.pick(this.#machines).name;
    const ms = random.pick([
      random.between(100, 5_000),
      random.between(5_000, 40_000),
      random.between(40_000, 200_000),
    ]);
    const breaks = random.chance(0.5);
    const cut = random.pick<Cut>(['silent', 'silent', 'refused', 'answers']);
    switch (fault) {
      case 'die':
        return { fault, machine, calls: random.whole(1, 60) / (random.chance(0.5) ? 2 : 1) };
      case 'kill':
      case 'restart':
      case 'crash-loop':
      case 'reexec':
      case 'break-streams':
      case 'wall-clock':
      case 'lease-lost':
        return { fault, machine };
      case 'leave':
      case 'reboot':
      case 'power-cut':
      case 'duplicates':
      case 'freeze':
      case 'suspend':
      case 'fleetd-stopped':
      case 'bus-down':
      case 'bus-silent':
      case 'disk-full':
        return { fault, machine, ms };
      case 'cut':
        return { fault, machine, ms, cut, breaks };
      case 'loss':
        return { fault, machine, ms, probability: random.between(0.05, 0.5) };
      case 'slow':
        return { fault, machine, ms, byMs: random.pick([100, 900, 3_000]) };
      case 'watch-lag':
        return { fault, machine, ms, byMs: random.pick([200, 2_000, 10_000]) };
      case 'unit-crashes':
      case 'unit-stopped-by-hand':
        return { fault, machine, nth: random.whole(0, 40) };
      case 'store-down':
        return { fault, ms, cut, breaks };
      case 'store-slow':
        return { fault, ms, byMs: random.pick([100, 900, 3_000]) };
      case 'store-lossy':
        return { fault, ms, probability: random.between(0.05, 0.4) };
      case 'store-reelects':
      case 'store-restarts':
        return { fault, ms: random.between(100, 4_000) };
      case 'store-compacts':
      case 'leader-lease-lost':
      case 'leader-dies':
        return { fault };
      case 'store-restored':
        return { fault, agoMs: random.pick([2_000, 20_000, 120_000, 400_000]) * random.next() };
    }
  }
}

const FAULTS: Readonly<Record<Fault['fault'], number>> = {
  die: 12,
  kill: 5,
  restart: 5,
  'crash-loop': 2,
  leave: 5,
  reboot: 3,
  'power-cut': 5,
  cut: 12,
  loss: 5,
  slow: 3,
  'watch-lag': 5,
  duplicates: 3,
  freeze: 4,
  suspend: 3,
  'fleetd-stopped': 4,
  'bus-down': 3,
  'bus-silent': 2,
  'disk-full': 2,
  reexec: 3,
  'break-streams': 5,
  'wall-clock': 1,
  'lease-lost': 3,
  'unit-crashes': 3,
  'unit-stopped-by-hand': 2,
  'store-down': 5,
  'store-slow': 2,
  'store-lossy': 3,
  'store-reelects': 3,
  'store-restarts': 2,
  'store-compacts': 3,
  'leader-lease-lost': 3,
  'leader-dies': 3,
  'store-restored': 2,
};
