// When is a unit where the user wanted it? Pure: a view of one unit, kept up by events, and the verdict on it.
// Invariant: only rows and placements count that speak of the awaited generation or a later one.
import type { V2Event, V2Unit, V2UnitState } from '../src/api/types.ts';
import { loadFault } from '../src/model/load-state.ts';
import type { DesiredState } from '../src/model/unit.ts';

/** What is waited for: the state of a unit, its end, or (`stopped`) that it is loaded or on no machine that could run it. */
export type Goal = DesiredState | 'stopped' | 'destroyed';

/** What is known of one unit that is waited for. */
export interface UnitView {
  readonly name: string;
  readonly goal: Goal;
  readonly global: boolean;
  /** Its machine was absent when the request was made: there is nobody to stop it. */
  readonly wasLost: boolean;
  /** It was launched when the request was made: its systemd unit has to end first. */
  readonly wasLaunched: boolean;
  /** The store's revision of this view: older events are known to it. */
  readonly revision: bigint;
  /** Something was written for it: what comes of that will be heard of. */
  readonly isAsked: boolean;
  /** That of the request: changes of the unit up to it are the request's own, or overruled by it. */
  readonly askedAt: bigint;
  /** The generation that the request made, or the unit has. */
  generation: number;
  machineID: string | undefined;
  /** Its machine is asked to hand it over. */
  releasing: boolean;
  /** Rows by machine, and those of orphans. */
  readonly states: Map<string, V2UnitState>;
  /** Why it is not placed, one sentence a line. */
  pending: readonly string[];
  /** What somebody else made of the unit since. */
  since: DesiredState | 'destroyed' | undefined;
}

export type Verdict =
  | Readonly<{ kind: 'waiting' }>
  | Readonly<{ kind: 'reached'; machineID: string | undefined }>
  /** `isFileAtFault`: systemd cannot load it as it is written. */
  | Readonly<{
      kind: 'failed';
      machineID: string | undefined;
      reason: string;
      isFileAtFault?: boolean;
    }>;

/** A view from the unit as it was before the request (if it was), and as the request's answer has it (if one was needed). */
export function viewOf(
  goal: Goal,
  before: V2Unit | undefined,
  answer: V2Unit | undefined,
): UnitView {
  const newest = answer ?? before;
  return {
    name: newest?.name ?? '',
    goal,
    global: newest?.global ?? false,
    wasLost: before?.currentState === 'lost',
    wasLaunched: before?.desiredState === 'launched',
    revision: BigInt((before ?? answer)?.revision ?? 0),
    isAsked: answer !== undefined,
    askedAt: BigInt(newest?.revision ?? 0),
    generation: newest?.generation ?? 0,
    machineID: before?.machineID,
    releasing: false,
    states: new Map((before?.states ?? []).map((state) => [rowKey(state), state])),
    pending: [],
    since: undefined,
  };
}

/** A view of what is left of a unit that is gone: the rows that machines still report. */
export function viewOfRemains(
  name: string,
  states: readonly V2UnitState[],
  revision: string,
): UnitView {
  const view = viewOf('destroyed', undefined, undefined);
  const rows = new Map(states.map((state) => [rowKey(state), state]));
  return { ...view, name, revision: BigInt(revision), states: rows, since: 'destroyed' };
}

/** Takes an event at `revision` into the view of its unit. */
export function applyEvent(view: UnitView, event: V2Event, revision: bigint): void {
  if (revision <= view.revision) return;
  switch (event.kind) {
    case 'unit':
      if (revision > view.askedAt) applyUnit(view, event.unit);
      return;
    case 'placed':
      view.machineID = event.machineID;
      view.releasing = event.releasing ?? false;
      if (event.machineID !== undefined) view.pending = [];
      return;
    case 'state':
      if (event.state === undefined) view.states.delete(rowKey(event));
      else view.states.set(rowKey(event), event.state);
      return;
    case 'pending':
      view.pending = event.lines ?? [];
      return;
    case 'reset':
      return;
  }
}

/** What a machine runs as an orphan has a row beside that of the unit. */
function rowKey({ machineID, orphan }: Pick<V2UnitState, 'machineID' | 'orphan'>): string {
  return orphan === true ? `${machineID} (orphan)` : machineID;
}

function applyUnit(view: UnitView, unit: V2Unit | undefined): void {
  if (unit !== undefined) view.generation = unit.generation;
  if (unit === undefined) view.since = 'destroyed';
  else if (view.goal !== 'destroyed') view.since = unit.desiredState;
  else if (view.since === 'destroyed') view.since = unit.desiredState; // created anew
}

/** Says whether the view is where its goal is. */
export function judge(view: UnitView): Verdict {
  const { goal, since, machineID } = view;
  if (goal === 'destroyed') return judgeEnd(view);
  if (since === 'destroyed' && goal !== 'inactive')
    return { kind: 'failed', machineID: undefined, reason: 'it was destroyed meanwhile' };
  const wanted = goal === 'stopped' ? 'loaded' : goal;
  if (since !== undefined && since !== 'destroyed' && since !== wanted)
    return { kind: 'failed', machineID, reason: `somebody made it ${since} meanwhile` };
  if (goal === 'inactive') return judgeGone(view);
  if (view.global) return judgeGlobal(view, wanted === 'launched' ? wanted : 'loaded');
  if (goal !== 'stopped') return judgePlaced(view, goal);
  if (view.wasLost || machineID === undefined) return { kind: 'reached', machineID: undefined };
  return judgePlaced(view, 'loaded');
}

const WAITING: Verdict = { kind: 'waiting' };

/** A unit of the same name that was created since says nothing: once it is placed, the old one has left. */
function judgeEnd(view: UnitView): Verdict {
  const isAnew = view.since !== undefined && view.since !== 'destroyed';
  if (isAnew && !view.releasing) return { kind: 'reached', machineID: undefined };
  return judgeGone(view);
}

function judgeGone(view: UnitView): Verdict {
  if (view.machineID !== undefined || view.states.size > 0) return WAITING;
  return { kind: 'reached', machineID: undefined };
}

/** Every machine that reports it has carried out what was asked. */
function judgeGlobal(view: UnitView, goal: 'loaded' | 'launched'): Verdict {
  for (const row of view.states.values()) {
    if (row.orphan === true) continue;
    const verdict = judgeRow(view, goal, row);
    if (verdict.kind !== 'reached') return verdict;
  }
  return { kind: 'reached', machineID: undefined };
}

function judgePlaced(view: UnitView, goal: 'loaded' | 'launched'): Verdict {
  if (view.machineID === undefined || view.releasing) return WAITING;
  const row = view.states.get(view.machineID);
  return row === undefined ? WAITING : judgeRow(view, goal, row);
}

function judgeRow(view: UnitView, goal: 'loaded' | 'launched', row: V2UnitState): Verdict {
  const { machineID } = row;
  if (row.generation < view.generation) return WAITING;
  if (row.refusal !== undefined) return { kind: 'failed', machineID, reason: row.refusal };
  return goal === 'launched' ? judgeStart(row, view.generation) : judgeLoad(row, view.wasLaunched);
}

function judgeStart(row: V2UnitState, generation: number): Verdict {
  const { machineID, started, job } = row;
  if (started === undefined || started < generation) return WAITING;
  if (job === undefined || job === 'running') return WAITING;
  // 'skipped': a Condition of the unit did not hold, which systemd counts as success.
  if (job === 'done' || job === 'skipped') return { kind: 'reached', machineID };
  const fault = loadFault(row.systemdLoadState);
  if (fault !== undefined) return faulty(row, fault);
  const result = row.result === undefined ? '' : `, Result=${row.result}`;
  return {
    kind: 'failed',
    machineID,
    reason: `systemd's job ended with '${job}' (${row.systemdActiveState}/${row.systemdSubState}${result})`,
  };
}

/** `not-found` is what a host says before it has asked systemd: it waits. So does what was launched and has not ended. */
function judgeLoad(row: V2UnitState, wasLaunched: boolean): Verdict {
  const { machineID, systemdLoadState: load, systemdActiveState: active } = row;
  const fault = loadFault(load);
  if (fault !== undefined) return faulty(row, fault);
  if (wasLaunched && active !== 'inactive' && active !== 'failed') return WAITING;
  return load === 'not-found' ? WAITING : { kind: 'reached', machineID };
}

function faulty({ machineID }: V2UnitState, fault: string): Verdict {
  return {
    kind: 'failed',
    machineID,
    reason: `systemd says that ${fault}`,
    isFileAtFault: true,
  };
}
