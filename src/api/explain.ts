// Why a unit is not as desired, in sentences: what is placed, what its hosts say, what the engine found.
// Invariant: no lines means that all is as desired.
import { loadFault } from '../model/load-state.ts';
import type { MachineId } from '../model/machine.ts';
import { isRunning, type Orphan, type UnitState } from '../model/unit-state.ts';
import type { UnitLeft } from '../registry/read-left.ts';
import type { UnitFacts } from '../registry/read-unit.ts';
import { pendingSentences } from '../scheduler/explain.ts';
import { awayLines } from './explain-away.ts';
import { v2State } from './render.ts';
import type { V2Explanation } from './types.ts';

/** What is known beside the unit's own records. */
export interface Circumstances {
  /** Wall-clock ms. */
  readonly nowMs: number;
  /** What present machines run of it unknown to the store. */
  readonly orphans: readonly Orphan[];
}

/** The answer of `GET /fleet/v2/units/NAME/explain`. */
export function explain(facts: UnitFacts, { nowMs, orphans }: Circumstances): V2Explanation {
  const { row, pending } = facts;
  return {
    name: row.unit.name,
    desiredState: row.unit.desiredState,
    ...(row.current === undefined ? {} : { currentState: row.current }),
    ...(row.placed === undefined ? {} : { machineID: row.placed.machine }),
    ...(pending === undefined ? {} : { pending }),
    lines: [
      ...placementLines(facts, nowMs),
      ...facts.states.flatMap((state) => stateLines(facts, state)),
      ...orphans.flatMap((orphan) => orphanLines(facts, orphan)),
    ],
  };
}

/** The same of a name that has no unit, and of which something is left. */
export function explainLeft({ name, placed, rows }: UnitLeft): V2Explanation {
  const asked =
    placed === undefined
      ? []
      : [`${short(placed.machine)} is asked to stop ${name} and hand it over`];
  const lines = rows.map(({ kind, state }) =>
    kind === 'orphan'
      ? `${short(state.machine)} runs it as an orphan, ${systemdWords(state)}: the cluster has no unit of this name; it stays up until a person decides: fleetctl adopt ${name}, or fleetctl destroy ${name}`
      : `${short(state.machine)} still has it: ${systemdWords(state)}`,
  );
  return {
    name,
    desiredState: 'inactive',
    ...(placed === undefined ? {} : { machineID: placed.machine }),
    left: rows.map(v2State),
    lines: [...asked, ...lines],
  };
}

function placementLines(facts: UnitFacts, nowMs: number): readonly string[] {
  const { row, pending, placed, led } = facts;
  const { unit, global } = row;
  const isWanted = unit.desiredState !== 'inactive' && !global;
  if (placed !== undefined) {
    const where = short(placed.machine);
    if (placed.release) {
      const then = isWanted ? ', and is placed anew when that is done' : '';
      return [`${where} is asked to stop ${unit.name} and hand it over${then}`];
    }
    if (facts.away !== undefined)
      return [
        ...awayLines(placed.machine, facts.away, nowMs),
        ...(pending === undefined ? [] : pendingSentences(pending)),
        ...leaderless(led),
      ];
    if (facts.isLeaving)
      return [
        `${where} leaves the cluster: it stops ${unit.name} and hands it over, and it is placed anew when that is done`,
      ];
    if (isWanted && unit.hash !== placed.hash)
      return [
        `${where} runs an older version; the engine has not handed over the new one yet`,
        ...leaderless(led),
      ];
    if (isWanted && row.state === undefined) return [`${where} has not reported it yet`];
    return [];
  }
  if (!isWanted) return [];
  if (pending !== undefined) return [...pendingSentences(pending), ...leaderless(led)];
  return [`the engine has not placed it yet`, ...leaderless(led)];
}

function leaderless(led: boolean): readonly string[] {
  return led ? [] : ['no engine leads the cluster now: nothing is placed until one does'];
}

function stateLines({ row }: UnitFacts, state: UnitState): readonly string[] {
  const { unit, global, placed } = row;
  const where = short(state.machine);
  const lines: string[] = [];
  if (state.refusal !== undefined) lines.push(`${where} does not load it: ${state.refusal}`);
  const isHere = global || placed?.machine === state.machine;
  if (!isHere) lines.push(`${where} still has it: ${systemdWords(state)}`);
  else if (unit.desiredState === 'inactive')
    lines.push(`${where} has not stopped it yet: ${systemdWords(state)}`);
  else if (state.generation < unit.generation)
    lines.push(`${where} has not carried out the last change yet`);
  else {
    const fault = state.refusal === undefined ? loadLines(where, state) : [];
    lines.push(...fault);
    const isStarted = unit.desiredState === 'launched';
    if (isStarted && loadFault(state.loadState) === undefined)
      lines.push(...jobLines(where, state));
  }
  return lines;
}

/** It runs twice: fleet ends neither by itself. */
function orphanLines({ row, pending }: UnitFacts, orphan: Orphan): readonly string[] {
  if (!isRunning(orphan) || pending?.reason === 'orphan') return [];
  if (row.placed?.machine === orphan.machine) return []; // it is about to find that it was taken up
  return [
    `${short(orphan.machine)} runs it as an orphan too, ${systemdWords(orphan)}: it stays up until it is stopped there (systemctl stop ${orphan.name})`,
  ];
}

/** A unit that systemd cannot load; or whose file was taken away behind fleet's back: what runs goes on, but will not start again. */
function loadLines(where: string, { name, loadState }: UnitState): readonly string[] {
  if (loadState === 'loaded') return [];
  const fault = loadFault(loadState);
  if (fault === undefined)
    return [
      `systemd on ${where} says that its file is '${loadState}': replace the unit to write it anew`,
    ];
  return [`systemd on ${where} says that ${fault}; see: fleetctl journal ${name}`];
}

function jobLines(where: string, state: UnitState): readonly string[] {
  const { name, job, result } = state;
  if (state.refusal !== undefined) return [];
  if (state.started !== state.generation)
    return [`${where} has not started it yet: ${systemdWords(state)}`];
  if (job === 'running')
    return [`systemd's job on ${where} has not ended yet: ${systemdWords(state)}`];
  const because = result === undefined ? '' : ` (Result=${result})`;
  const see = `see: fleetctl journal ${name}`;
  // 'skipped': a Condition of the unit did not hold, which systemd counts as success.
  if (job === 'skipped')
    return [`its start on ${where} was skipped, as a condition of its file does not hold; ${see}`];
  if (job !== undefined && job !== 'done')
    return [`its start on ${where} ended with '${job}'${because}: ${systemdWords(state)}; ${see}`];
  if (state.activeState === 'failed') return [`it has failed on ${where}${because}; ${see}`];
  return [];
}

function systemdWords(state: Pick<UnitState, 'activeState' | 'subState'>): string {
  return `${state.activeState}/${state.subState}`;
}

function short(id: MachineId): string {
  return `machine ${id.slice(0, 8)}`;
}
