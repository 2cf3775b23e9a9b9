// When is a unit where the user wanted it? Pure: a view of one unit, kept up by events, and the verdict on it.
// Invariant: only rows and placements count that speak of the awaited generation or a later one.
import type { V2Event, V2Unit, V2UnitState } from '../src/api/types.ts';
import type { DesiredState } from '../src/model/unit.ts';

/** What is waited for: the state of a unit, or its end. */
export type Goal = DesiredState | 'destroyed';

/** What is known of one unit that is waited for. */
export interface UnitView {
  readonly name: string;
  readonly goal: Goal;
  /** The store's revision of this view: older events are known to it. */
  readonly revision: bigint;
  /** The generation that the request made, or the unit has. */
  generation: number;
  global: boolean;
  machineID: string | undefined;
  /** Rows by machine. */
  readonly states: Map<string, V2UnitState>;
  /** Why it is not placed, one sentence a line. */
  pending: readonly string[];
}

export type Verdict =
  | Readonly<{ kind: 'waiting' }>
  | Readonly<{ kind: 'reached'; machineID: string | undefined }>
  | Readonly<{ kind: 'failed'; machineID: string | undefined; reason: string }>;

/** A view of a unit as the API shows it now. */
export function viewOf(unit: V2Unit, goal: Goal): UnitView {
  return {
    name: unit.name,
    goal,
    revision: BigInt(unit.revision ?? 0),
    generation: unit.generation,
    global: unit.global,
    machineID: unit.machineID,
    states: new Map((unit.states ?? []).map((state) => [state.machineID, state])),
    pending: [],
  };
}

/** Takes an event into the view of its unit. */
export function applyEvent(view: UnitView, event: V2Event): void {
  switch (event.kind) {
    case 'unit':
      if (event.unit !== undefined) view.generation = event.unit.generation;
      return;
    case 'placed':
      view.machineID = event.machineID;
      if (event.machineID !== undefined) view.pending = [];
      return;
    case 'state':
      if (event.state === undefined) view.states.delete(event.machineID);
      else view.states.set(event.machineID, event.state);
      return;
    case 'pending':
      view.pending = event.lines ?? [];
      return;
    case 'reset':
      return;
  }
}

/** Says whether the view is where its goal is. */
export function judge(view: UnitView): Verdict {
  if (view.goal === 'inactive' || view.goal === 'destroyed') {
    const gone = view.machineID === undefined && view.states.size === 0;
    return gone ? { kind: 'reached', machineID: undefined } : { kind: 'waiting' };
  }
  const machineID = view.machineID;
  const row = machineID === undefined ? undefined : view.states.get(machineID);
  if (row === undefined || machineID === undefined || row.generation < view.generation)
    return { kind: 'waiting' };
  if (row.refusal !== undefined) return { kind: 'failed', machineID, reason: row.refusal };
  return view.goal === 'launched'
    ? judgeStart(machineID, row, view.generation)
    : judgeLoad(machineID, row);
}

function judgeStart(machineID: string, row: V2UnitState, generation: number): Verdict {
  if (row.started === undefined || row.started < generation) return { kind: 'waiting' };
  if (row.job === undefined || row.job === 'running') return { kind: 'waiting' };
  // 'skipped': a Condition of the unit did not hold, which systemd counts as success.
  if (row.job === 'done' || row.job === 'skipped') return { kind: 'reached', machineID };
  const result = row.result === undefined ? '' : `, Result=${row.result}`;
  return {
    kind: 'failed',
    machineID,
    reason: `systemd's job ended with '${row.job}' (${row.systemdActiveState}/${row.systemdSubState}${result})`,
  };
}

function judgeLoad(machineID: string, row: V2UnitState): Verdict {
  const busy = ['activating', 'deactivating', 'reloading'].includes(row.systemdActiveState);
  const stopping = row.systemdActiveState === 'active' && row.started !== undefined;
  if (busy || stopping) return { kind: 'waiting' };
  if (row.systemdLoadState === 'loaded') return { kind: 'reached', machineID };
  return { kind: 'failed', machineID, reason: `systemd says that it is '${row.systemdLoadState}'` };
}
