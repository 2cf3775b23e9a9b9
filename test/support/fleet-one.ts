// The scheduling rules of fleet 1.0, restated from its documentation and behaviour: what it would place where.
// Invariant: as there, the order in which units are looked at is anybody's guess: it is a parameter of every pass.
import type { Metadata } from '../../src/model/machine.ts';
import type { DesiredState } from '../../src/model/unit.ts';
import { compileGlob, globProblem } from '../../src/unitfile/glob.ts';
import { unitNameParts } from '../../src/unitfile/name.ts';
import type { UnitWords } from './cluster.ts';
import { machineId, unitName } from './cluster.ts';

/** What people and machines do; EngineWorld has the same. */
export interface ClusterControls {
  put(name: string, words: UnitWords): void;
  want(name: string, state: DesiredState): void;
  destroy(name: string): void;
  machineUp(name: string, metadata: Metadata, leaving?: boolean): void;
  machineGone(name: string): void;
}

/** In which order a pass looks at units. */
export type Order = (names: readonly string[]) => readonly string[];

interface Job {
  readonly words: UnitWords;
  state: DesiredState;
  target: string | undefined;
}

/** Unit names by machine. */
type Agents = ReadonlyMap<string, Set<string>>;

const PASSES_MAX = 60;

export class FleetOne implements ClusterControls {
  readonly #jobs = new Map<string, Job>();
  readonly #machines = new Map<string, Metadata>();
  readonly #order: Order;

  constructor(order: Order) {
    this.#order = order;
  }

  put(name: string, words: UnitWords): void {
    const target = this.#jobs.get(name)?.target;
    this.#jobs.set(name, { words, state: words.state ?? 'launched', target });
  }

  want(name: string, state: DesiredState): void {
    const job = this.#jobs.get(name);
    if (job !== undefined) job.state = state;
  }

  destroy(name: string): void {
    this.#jobs.delete(name);
  }

  machineUp(name: string, metadata: Metadata, leaving = false): void {
    if (leaving) this.#machines.delete(name);
    else this.#machines.set(name, metadata);
  }

  machineGone(name: string): void {
    this.#machines.delete(name);
  }

  /** Passes until one finds nothing to do; answers false if that never happens. */
  rest(): boolean {
    for (let pass = 0; pass < PASSES_MAX; pass += 1) if (this.#pass() === 0) return true;
    return false;
  }

  /** Where each unit is: its machine, or of a global one its machines; without those that are nowhere. */
  places(): Readonly<Record<string, string>> {
    const places: [string, string][] = [];
    const hosts = [...this.#machines.keys()].sort().map((machine) => this.#hostRuns(machine));
    for (const name of [...this.#jobs.keys()].sort()) {
      const at = hosts.filter(({ runs }) => runs.has(name)).map(({ machine }) => machine);
      if (at.length > 0) places.push([name, at.join(' ')]);
    }
    return Object.fromEntries(places);
  }

  /** The engine's pass; answers how much there was to do. */
  #pass(): number {
    let tasks = 0;
    const bounced = new Set<string>();
    for (const name of this.#order([...this.#jobs.keys()])) {
      const job = this.#jobs.get(name);
      if (job === undefined || job.words.global === true || job.target === undefined) continue;
      const answer = this.#keeps(name, job);
      if (answer === 'yes') continue;
      tasks += 1;
      if (answer === 'no') job.target = undefined;
      else this.#separate(job, answer.from, bounced);
    }
    for (const name of this.#order([...this.#jobs.keys()])) {
      const job = this.#jobs.get(name);
      if (job === undefined || job.words.global === true || job.target !== undefined) continue;
      if (job.state === 'inactive') continue;
      const target = this.#byLoad().find((machine) => this.#able(name, job, machine) !== 'no');
      if (target === undefined) continue;
      tasks += 1;
      job.target = target;
    }
    for (const name of bounced) {
      const job = this.#jobs.get(name);
      if (job !== undefined) job.target = undefined;
    }
    return tasks;
  }

  #keeps(name: string, job: Job): 'yes' | 'no' | Readonly<{ from: string }> {
    if (job.state === 'inactive' || job.target === undefined) return 'no';
    if (!this.#machines.has(job.target)) return 'no';
    return this.#able(name, job, job.target);
  }

  /** Two are on one machine of which one replaces the other: that which is not looked at goes, wherever there is least. */
  #separate(job: Job, other: string, bounced: Set<string>): void {
    const elsewhere = this.#byLoad().find((machine) => machine !== job.target);
    const moved = this.#jobs.get(other);
    if (moved === undefined || moved.words.global === true) return;
    if (elsewhere === undefined) bounced.add(other);
    else moved.target = elsewhere;
  }

  #able(name: string, job: Job, machine: string): 'yes' | 'no' | Readonly<{ from: string }> {
    const { id } = job.words;
    if (id !== undefined) {
      const wanted = printf(id, name);
      const full = machineId(machine);
      if (wanted !== full && wanted !== full.slice(0, 8)) return 'no';
    }
    if (!hasMetadata(this.#machines.get(machine) ?? {}, job.words, name)) return 'no';
    const here = this.#agents().get(machine) ?? new Set();
    for (const peer of job.words.of ?? []) if (!here.has(printf(peer, name))) return 'no';
    if (this.#conflicts(name, here)) return 'no';
    for (const other of this.#order([...here])) {
      if (other === name) continue;
      if (this.#replaces(name, other) !== this.#replaces(other, name)) return { from: other };
    }
    return 'yes';
  }

  #conflicts(name: string, here: Iterable<string>): boolean {
    for (const other of here) {
      if (other === name) continue;
      if (this.#names('conflicts', name, other) || this.#names('conflicts', other, name))
        return true;
    }
    return false;
  }

  #replaces(name: string, other: string): boolean {
    return this.#names('replaces', name, other);
  }

  #names(what: 'conflicts' | 'replaces', name: string, other: string): boolean {
    const values = this.#jobs.get(name)?.words[what] ?? [];
    // Only Conflicts= was split at blanks.
    const patterns = what === 'conflicts' ? values.flatMap((value) => value.split(/\s+/)) : values;
    return patterns
      .map((pattern) => printf(pattern, name))
      .some((pattern) => globProblem(pattern) === undefined && compileGlob(pattern)(other));
  }

  /** What the engine takes each machine to run: what is placed there, and global units, whether active or not. */
  #agents(): Agents {
    const agents = new Map([...this.#machines.keys()].map((name) => [name, new Set<string>()]));
    for (const [name, { target, state, words }] of this.#jobs)
      if (target !== undefined && state !== 'inactive' && words.global !== true)
        agents.get(target)?.add(name);
    for (const name of this.#order([...this.#jobs.keys()])) {
      const job = this.#jobs.get(name);
      if (job?.words.global !== true) continue;
      for (const [machine, units] of agents) {
        if (!hasMetadata(this.#machines.get(machine) ?? {}, job.words, name)) continue;
        if (!this.#conflicts(name, units)) units.add(name);
      }
    }
    return agents;
  }

  #byLoad(): readonly string[] {
    const agents = [...this.#agents()];
    agents.sort(
      ([a, { size: n }], [b, { size: m }]) => n - m || (machineId(a) < machineId(b) ? -1 : 1),
    );
    return agents.map(([machine]) => machine);
  }

  /** The host goes through all units by name, and leaves out what conflicts with one before it. */
  #hostRuns(machine: string): Readonly<{ machine: string; runs: ReadonlySet<string> }> {
    const here: string[] = [];
    const runs = new Set<string>();
    for (const name of [...this.#jobs.keys()].sort()) {
      const job = this.#jobs.get(name);
      if (job === undefined) continue;
      const isHere =
        job.words.global === true
          ? hasMetadata(this.#machines.get(machine) ?? {}, job.words, name)
          : job.target === machine;
      if (!isHere || this.#conflicts(name, here)) continue;
      here.push(name);
      if (job.state !== 'inactive') runs.add(name);
    }
    return { machine, runs };
  }
}

/** A value without exactly one '=', or with nothing before or behind it, was passed over. */
function hasMetadata(has: Metadata, { metadata = [] }: UnitWords, unit: string): boolean {
  const wanted = new Map<string, string[]>();
  for (const pair of metadata) {
    const [key = '', value = '', ...more] = printf(pair, unit).split('=');
    if (key === '' || value === '' || more.length > 0) continue;
    wanted.set(key, [...(wanted.get(key) ?? []), value]);
  }
  return [...wanted].every(([key, values]) => values.includes(has[key] ?? ''));
}

/** The four specifiers that it knew. */
function printf(text: string, name: string): string {
  const { prefix, instance = '', type } = unitNameParts(unitName(name));
  return text
    .replaceAll('%n', name)
    .replaceAll('%N', name.slice(0, -type.length - 1))
    .replaceAll('%p', prefix)
    .replaceAll('%i', instance);
}

/** A shuffle that is the same for the same seed. */
export function shuffled(seed: number): Order {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return (names) =>
    names
      .map((name) => ({ name, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ name }) => name);
}
