// Says what is wrong with where a stack's units run, and with the reasons given for those that do not.
// Invariant: it knows the files, the machines and what was seen, and none of the scheduler's code.
import type { Pending, Refusal } from '../../src/model/refusal.ts';
import type { NamePattern, StackUnit } from './stacks.ts';

export interface SeenMachine {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** It is there and going: it keeps nothing and takes nothing. */
  readonly leaving?: boolean;
}

/** A cluster at rest. */
export interface Seen {
  /** Those that are alive. */
  readonly machines: readonly SeenMachine[];
  /** Those that should run. */
  readonly units: readonly StackUnit[];
  /** Ids of machines by unit, also of a dead machine that a unit is still placed on. */
  readonly runs: ReadonlyMap<string, readonly string[]>;
  /** What fleet says of each unit that is not placed. */
  readonly pending: ReadonlyMap<string, Pending>;
}

/** Nothing is wrong where the list is empty. */
export function faultsOf(seen: Seen): readonly string[] {
  const judge = new Judge(seen);
  return seen.units.flatMap((unit) => (unit.asks.global ? judge.global(unit) : judge.single(unit)));
}

/** A machine's reason, as words that can be compared. */
type Reason = string;

class Judge {
  readonly #seen: Seen;
  readonly #byName: ReadonlyMap<string, StackUnit>;
  readonly #alive: ReadonlySet<string>;

  constructor(seen: Seen) {
    this.#seen = seen;
    this.#byName = new Map(seen.units.map((unit) => [unit.name, unit]));
    this.#alive = new Set(seen.machines.map(({ id }) => id));
  }

  single(unit: StackUnit): readonly string[] {
    const { name } = unit;
    const on = this.#seen.runs.get(name) ?? [];
    if (on.length > 1) return [`${name} runs on ${on.length} machines: ${on.join(' ')}`];
    const machine = this.#seen.machines.find(({ id }) => id === on[0]);
    if (machine !== undefined) {
      const waits = this.#seen.pending.has(name) ? [`${name} runs and is said to wait`] : [];
      return [...waits, ...this.#objections(unit, machine).map((why) => `${name} runs: ${why}`)];
    }
    return [...this.#couldRun(unit), ...this.#untrue(unit)];
  }

  global(unit: StackUnit): readonly string[] {
    const on = this.#seen.runs.get(unit.name) ?? [];
    const first = (other: StackUnit): boolean => !other.asks.global || other.name < unit.name;
    return this.#seen.machines.flatMap((machine) => {
      if (machine.leaving === true) return [];
      const why = this.#objections(unit, machine);
      if (on.includes(machine.id))
        return why.map((reason) => `${unit.name} runs everywhere, also where: ${reason}`);
      if (this.#objections(unit, machine, first).length > 0) return [];
      return [`${unit.name} does not run on ${machine.id}, which may run it`];
    });
  }

  #couldRun(unit: StackUnit): readonly string[] {
    return this.#seen.machines
      .filter((machine) => this.#objections(unit, machine).length === 0)
      .map(({ id }) => `${unit.name} does not run, and ${id} may run it`);
  }

  /** What fleet says of a unit that waits must be so. */
  #untrue(unit: StackUnit): readonly string[] {
    const { name } = unit;
    const pending = this.#seen.pending.get(name);
    if (pending === undefined) return [`${name} does not run, and nothing says why`];
    if (pending.reason === 'circle') return this.#untrueCircle(name, pending.circle ?? []);
    if (pending.reason === 'no-machines' && this.#alive.size === 0) return [];
    if (pending.reason !== undefined) return [`${name} waits because of '${pending.reason}'`];
    const asked = pending.machines.map(({ machine }) => machine as string).sort();
    const all = [...this.#alive].sort();
    if (asked.join(' ') !== all.join(' '))
      return [`${name} is explained for ${asked.join(' ')} instead of ${all.join(' ')}`];
    return pending.machines.flatMap(({ machine: id, refusal }) => {
      const machine = this.#seen.machines.find((other) => other.id === id)!;
      const said = reasonOf(refusal, machine);
      const known = this.#objections(unit, machine);
      return known.includes(said) ? [] : [`${name} waits, says ${said}; but: ${known.join(', ')}`];
    });
  }

  #untrueCircle(name: string, circle: readonly string[]): readonly string[] {
    const steps = circle.slice(1).map((to, at) => ({ from: circle[at]!, to }));
    const isTrue =
      circle.length > 1 &&
      circle[0] === circle.at(-1) &&
      steps.every(({ from, to }) => this.#byName.get(from)?.asks.peers.includes(to));
    return isTrue ? [] : [`${name} waits, says circle ${circle.join(' ')}`];
  }

  /** Everything that speaks against this unit on this machine, beside those others that run there and count. */
  #objections(
    unit: StackUnit,
    machine: SeenMachine,
    counts: (other: StackUnit) => boolean = () => true,
  ): readonly Reason[] {
    const { asks } = unit;
    const reasons: Reason[] = machine.leaving === true ? [`leaving on ${machine.id}`] : [];
    for (const id of asks.ids)
      if (id !== machine.id && id !== machine.id.slice(0, 8))
        reasons.push(`machine-id ${id} on ${machine.id}`);
    for (const [key, values] of asks.metadata)
      if (!values.has(machine.metadata[key] ?? ''))
        reasons.push(`metadata ${key}=${machine.metadata[key]} on ${machine.id}`);
    for (const peer of asks.peers) {
      const at = this.#seen.runs.get(peer) ?? [];
      const where = this.#byName.get(peer)?.asks.global === true ? undefined : at[0];
      if (!at.includes(machine.id))
        reasons.push(`machine-of ${peer}, which is at ${where} on ${machine.id}`);
    }
    for (const [name, on] of this.#seen.runs) {
      const other = this.#byName.get(name);
      if (other === undefined || other === unit || !on.includes(machine.id) || !counts(other))
        continue;
      if (names(asks.conflicts, name) || names(other.asks.conflicts, unit.name))
        reasons.push(`conflict ${name} on ${machine.id}`);
      if (names(other.asks.replaces, unit.name)) reasons.push(`replaces ${name} on ${machine.id}`);
    }
    return reasons;
  }
}

function names(patterns: readonly NamePattern[], name: string): boolean {
  return patterns.some(({ matches }) => matches.test(name));
}

function reasonOf(refusal: Refusal, { id }: SeenMachine): Reason {
  switch (refusal.kind) {
    case 'machine-id':
      return `machine-id ${refusal.required} on ${refusal.actual}`;
    case 'metadata':
      return `metadata ${refusal.key}=${refusal.actual} on ${id}`;
    case 'machine-of':
      return `machine-of ${refusal.peer}, which is at ${refusal.peerOn} on ${id}`;
    case 'conflict':
    case 'replaces':
      return `${refusal.kind} ${refusal.with} on ${id}`;
    case 'leaving':
    case 'capability':
    case 'host-name':
    case 'runtime':
      return `${refusal.kind} on ${id}`;
  }
}
