// What a host reports: a row a unit, in systemd's words, with what became of its generation.
// Invariant: a unit has a state row or is an orphan, never both.
import type { MachineId } from '../model/machine.ts';
import type { SystemdState, UnitState } from '../model/unit-state.ts';
import type { UnitName } from '../model/unit.ts';
import type { CarriedOut, Wanted } from './host-picture.ts';
import type { HostRefusal } from './host-plan.ts';

/**
 * What systemd said of a unit, and what had been carried out of it just before it was asked: a row never tells of a
 * job's end beside an older state.
 */
export interface Look {
  readonly done: CarriedOut;
  readonly state: SystemdState;
  /** Why it is failed now. */
  readonly failure?: string;
}

export interface RowsInput {
  readonly machine: MachineId;
  readonly incarnation: string;
  readonly wanted: ReadonlyMap<UnitName, Wanted>;
  readonly carriedOut: ReadonlyMap<UnitName, CarriedOut>;
  readonly refusals: ReadonlyMap<UnitName, HostRefusal>;
  readonly orphans: ReadonlySet<UnitName>;
  /** A unit that was not looked at yet has no row yet. */
  readonly looks: ReadonlyMap<UnitName, Look>;
}

/** What systemd says of a name that it knows nothing of. */
export const NOTHING: SystemdState = {
  loadState: 'not-found',
  activeState: 'inactive',
  subState: 'dead',
};

/** The state rows of this host, by name. */
export function stateRows(input: RowsInput): ReadonlyMap<UnitName, UnitState> {
  const { carriedOut, refusals, orphans } = input;
  const rows = new Map<UnitName, UnitState>();
  for (const [name, look] of input.looks)
    if (carriedOut.has(name) && !orphans.has(name)) rows.set(name, rowOf(input, look));
  for (const [name, refusal] of refusals) {
    const wanted = input.wanted.get(name);
    if (carriedOut.has(name) || wanted?.kind !== 'keep') continue;
    const { hash, generation } = wanted.target;
    const { machine, incarnation } = input;
    const text = refusalSentence(refusal);
    rows.set(name, { name, machine, hash, generation, ...NOTHING, refusal: text, incarnation });
  }
  return rows;
}

function rowOf(input: RowsInput, { done, state, failure }: Look): UnitState {
  const { machine, incarnation } = input;
  const { name, hash, started, job, held } = done;
  const result = failure ?? done.result;
  const { loadState, activeState, subState } = state;
  const refusal = input.refusals.get(name);
  const isStarted = started === done.generation;
  return {
    name,
    machine,
    hash,
    generation: held ?? done.generation,
    ...(started === undefined ? {} : { started: held !== undefined && isStarted ? held : started }),
    ...(job === undefined ? {} : { job }),
    ...(result === undefined ? {} : { result }),
    ...(refusal === undefined ? {} : { refusal: refusalSentence(refusal) }),
    loadState,
    activeState,
    subState,
    incarnation,
  };
}

/** For a person: why the host does not do what is asked. */
function refusalSentence(refusal: HostRefusal): string {
  switch (refusal.kind) {
    case 'elsewhere':
      return `systemd has a unit of this name already, from '${refusal.path}'`;
    case 'text-unreadable':
      return `the unit file '${refusal.sha256}' cannot be read from the store`;
    case 'load-failed':
      return `it cannot be loaded: ${refusal.message}`;
    case 'held':
      return (
        `the store went back to generation ${refusal.generation}: what runs here is generation ` +
        `${refusal.runs} and stays until the unit is changed again`
      );
  }
}
