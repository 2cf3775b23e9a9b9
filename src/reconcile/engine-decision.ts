// The decision for one unit: its records and its machine → what to write.
// Invariant: a unit on a machine that is present leaves it by release and hand-over only, never by being placed elsewhere.
import assert from 'node:assert/strict';
import { PENDING_MACHINES_MAX } from '../model/limits.ts';
import type { MachineId } from '../model/machine.ts';
import type { Pending, Refusal } from '../model/refusal.ts';
import type { Assignment, Placement, Unit, UnitName } from '../model/unit.ts';
import type { ClusterPicture } from '../scheduler/cluster.ts';
import { sameOptions } from '../scheduler/derive.ts';
import type { MachineEntry, UnitEntry } from '../scheduler/entries.ts';
import { isWanted } from '../scheduler/entries.ts';
import type { Filters } from '../scheduler/filters.ts';
import { refusalOf } from '../scheduler/filters.ts';
import { peersOn } from '../scheduler/needs-on.ts';
import { pickMachine } from '../scheduler/place.ts';
import { pendingBecause, samePending, whyNot } from '../scheduler/why-not.ts';
import type { EngineAction, Expected, ReleaseReason } from './engine-actions.ts';

export interface DecisionContext {
  readonly picture: ClusterPicture;
  readonly filters: Filters;
}

/** What is to be done for the unit now; nothing where all is as it should be. */
export function decideUnit(context: DecisionContext, entry: UnitEntry): readonly EngineAction[] {
  if (entry.unreadable.size > 0) return leaveAlone(entry);
  const strays = withdrawals(entry);
  // The placement waits until the mark is written: both compare the same revisions.
  if (strays.length > 0) return strays;
  const { placement } = entry;
  if (placement === undefined) return decideUnplaced(context, entry);
  const machine = context.picture.machine(placement.machine);
  const assignment = entry.assignments.get(placement.machine)?.assignment;
  if (assignment === undefined) return decideHandedOver(context, entry, placement);
  if (machine?.presence === 'absent') return decideLost(context, entry, placement, assignment);
  return decidePlaced(context, entry, machine, { placement, assignment });
}

/** The record of a unit that waits, if it says something new. */
export function explainPending(entry: UnitEntry, pending: Pending): readonly EngineAction[] {
  if (samePending(entry.pending, pending)) return [];
  return [{ kind: 'pending', unit: entry.name, expected: expectedOf(entry), pending }];
}

function settle(entry: UnitEntry): readonly EngineAction[] {
  if (entry.pending === undefined) return [];
  return [{ kind: 'settled', unit: entry.name, expected: expectedOf(entry) }];
}

function leaveAlone(entry: UnitEntry): readonly EngineAction[] {
  if (entry.placement !== undefined || entry.unreadable.has('placed')) return [];
  return explainPending(entry, pendingBecause(entry, 'unreadable'));
}

/** Marks for schedule keys that no placement speaks of. */
function withdrawals(entry: UnitEntry): readonly EngineAction[] {
  const marks: EngineAction[] = [];
  for (const [machine, { assignment }] of entry.assignments) {
    if (machine === entry.placement?.machine || assignment.release) continue;
    marks.push({
      kind: 'withdraw',
      unit: entry.name,
      expected: expectedOf(entry),
      machine,
      because: 'not-placed-there',
      assignment: { ...assignment, release: true },
    });
  }
  return marks.sort((a, b) => (machineOf(a) < machineOf(b) ? -1 : 1));
}

function machineOf(action: EngineAction): string {
  return 'machine' in action ? action.machine : '';
}

function decideUnplaced(context: DecisionContext, entry: UnitEntry): readonly EngineAction[] {
  if (!isWanted(entry)) return settle(entry);
  const target = targetFor(context, entry);
  if (target.machine === undefined) return explainPending(entry, target.pending);
  return [placing(context.picture, entry, target.machine, 'unplaced')];
}

function decideHandedOver(
  context: DecisionContext,
  entry: UnitEntry,
  placement: Placement,
): readonly EngineAction[] {
  const gone: EngineAction = {
    kind: 'unplace',
    unit: entry.name,
    expected: expectedOf(entry),
    from: placement.machine,
    because: 'handed-over',
    left: undefined,
  };
  if (!isWanted(entry)) return [gone, ...settle(entry)];
  const target = targetFor(context, entry);
  if (target.machine === undefined) return [gone, ...explainPending(entry, target.pending)];
  return [placing(context.picture, entry, target.machine, 'handed-over')];
}

/** Its machine is believed absent. What no other machine takes stays assigned, and shows as lost. */
function decideLost(
  context: DecisionContext,
  entry: UnitEntry,
  placement: Placement,
  assignment: Assignment,
): readonly EngineAction[] {
  const left = assignment.release ? undefined : { ...assignment, release: true };
  const common = { unit: entry.name, expected: expectedOf(entry), from: placement.machine, left };
  if (!isWanted(entry))
    return [{ kind: 'unplace', because: 'machine-absent', ...common }, ...settle(entry)];
  const target = targetFor(context, entry);
  if (target.machine === undefined) return explainPending(entry, target.pending);
  const machine = target.machine.id;
  const records = recordsFor(entry, machine);
  const settles = entry.pending !== undefined;
  const peers = peersOn(entry.needs, target.machine);
  const expected = expectedBeside(context.picture, entry, peers);
  const how = { because: 'machine-absent', expected, settles } as const;
  return [{ kind: 'evict', machine, ...common, ...records, ...how }];
}

interface Placed {
  readonly placement: Placement;
  readonly assignment: Assignment;
}

function decidePlaced(
  { picture, filters }: DecisionContext,
  entry: UnitEntry,
  machine: MachineEntry | undefined,
  placed: Placed,
): readonly EngineAction[] {
  const { placement, assignment } = placed;
  if (placement.release || assignment.release) {
    if (placement.release !== assignment.release)
      return [releasing(entry, placed, { kind: 'half-marked' })];
    if (!isWanted(entry)) return settle(entry);
    return explainPending(entry, pendingBecause(entry, 'releasing'));
  }
  if (entry.needs.global && entry.unit !== undefined)
    return [releasing(entry, placed, { kind: 'became-global' }), ...settle(entry)];
  if (!isWanted(entry)) return [releasing(entry, placed, { kind: 'unwanted' }), ...settle(entry)];
  if (machine?.presence === 'leaving') return settle(entry); // it hands its units over by itself
  // Doubted, or with records that do not decode: nothing is known well enough to act on.
  if (machine?.candidate !== true) return [];
  if (entry.malformed) return explainPending(entry, pendingBecause(entry, 'unreadable'));
  const refusal = refusalOf(filters.keep, entry, machine, picture);
  if (refusal !== undefined) {
    const expected = expectedBeside(picture, entry, unitsIn(refusal));
    return [{ ...releasing(entry, placed, { kind: 'refused', refusal }), expected }];
  }
  const because = staleness(entry.unit, placed);
  if (because === undefined) return settle(entry);
  const common = { unit: entry.name, expected: expectedOf(entry), machine: machine.id };
  const settles = entry.pending !== undefined;
  return [{ kind: 'update', because, ...common, ...recordsFor(entry, machine.id), settles }];
}

type Target =
  | Readonly<{ machine: MachineEntry; pending?: undefined }>
  | Readonly<{ machine?: undefined; pending: Pending }>;

function targetFor({ picture, filters }: DecisionContext, entry: UnitEntry): Target {
  if (entry.malformed) return { pending: pendingBecause(entry, 'unreadable') };
  if (mayStillRun(picture, entry)) return { pending: pendingBecause(entry, 'releasing') };
  const orphans = orphansOf(picture, entry);
  if (orphans.length > 0) return whereItRuns({ picture, filters }, entry, orphans);
  const machine = pickMachine(picture, entry, filters);
  return machine === undefined ? { pending: whyNot(picture, entry, filters) } : { machine };
}

/** Some other machine that is not believed absent still holds a key of the unit: it runs there until the key is gone. */
function mayStillRun(picture: ClusterPicture, entry: UnitEntry): boolean {
  for (const id of entry.assignments.keys())
    if (picture.machine(id)?.presence !== 'absent') return true;
  return false;
}

/** Machines that run it unknown to the store, and may still do so; lowest id first. */
function orphansOf(picture: ClusterPicture, entry: UnitEntry): readonly MachineId[] {
  return [...entry.orphans].filter((id) => picture.machine(id)?.presence !== 'absent').sort();
}

/** It is never placed beside its own orphan: only there, where it is taken up as it runs. With more than one a person has to decide. */
function whereItRuns(
  { picture, filters }: DecisionContext,
  entry: UnitEntry,
  orphans: readonly MachineId[],
): Target {
  const [only, ...others] = orphans;
  const machine = only === undefined || others.length > 0 ? undefined : picture.machine(only);
  if (machine?.candidate === true)
    if (refusalOf(filters.take, entry, machine, picture) === undefined) return { machine };
  const named = orphans.slice(0, PENDING_MACHINES_MAX);
  return { pending: { ...pendingBecause(entry, 'orphan'), orphans: named } };
}

function placing(
  picture: ClusterPicture,
  entry: UnitEntry,
  machine: MachineEntry,
  because: 'unplaced' | 'handed-over',
): EngineAction {
  return {
    kind: 'place',
    unit: entry.name,
    expected: expectedBeside(picture, entry, peersOn(entry.needs, machine)),
    machine: machine.id,
    because,
    ...recordsFor(entry, machine.id),
    settles: entry.pending !== undefined,
  };
}

function releasing(entry: UnitEntry, placed: Placed, because: ReleaseReason): EngineAction {
  return {
    kind: 'release',
    unit: entry.name,
    expected: expectedOf(entry),
    machine: placed.placement.machine,
    because,
    placement: { ...placed.placement, release: true },
    assignment: { ...placed.assignment, release: true },
  };
}

function recordsFor(entry: UnitEntry, machine: MachineId): Placed {
  const { unit } = entry;
  assert(unit !== undefined, 'only a unit that somebody wants is placed');
  const { name, hash, sha256, desiredState, generation, options } = unit;
  return {
    placement: { name, machine, generation, hash, release: false },
    assignment: { name, hash, sha256, desiredState, generation, options, machine, release: false },
  };
}

/** A change of the desired state alone is written to the machine's copy by the API, and leaves the placement as it is. */
function staleness(
  unit: Unit | undefined,
  { placement, assignment }: Placed,
): 'replaced' | 'out-of-step' | undefined {
  assert(unit !== undefined, 'a unit that is kept is wanted');
  if (assignment.hash !== unit.hash || assignment.sha256 !== unit.sha256) return 'replaced';
  const inStep =
    placement.hash === unit.hash &&
    assignment.generation === unit.generation &&
    assignment.desiredState === unit.desiredState &&
    sameOptions(assignment.options, unit.options);
  return inStep ? undefined : 'out-of-step';
}

function expectedOf(entry: UnitEntry): Expected {
  return { unit: entry.unitRevision, placed: entry.placedRevision };
}

/** Others that a transaction has room to compare; of more of them the rest may change unseen. */
const OTHERS_MAX = 16;

/** A plan also goes by what it makes of others: where their own writes are lost to a user's, what was decided by them must be lost too. */
function expectedBeside(
  picture: ClusterPicture,
  entry: UnitEntry,
  names: readonly UnitName[],
): Expected {
  const others = names.slice(0, OTHERS_MAX).flatMap((unit) => {
    const other = picture.unit(unit);
    if (other?.unreadable.has('unit') === true) return [];
    return [{ unit, revision: other?.unitRevision ?? 0n }];
  });
  return others.length === 0 ? expectedOf(entry) : { ...expectedOf(entry), others };
}

function unitsIn(refusal: Refusal): readonly UnitName[] {
  if (refusal.kind === 'machine-of') return [refusal.peer];
  return refusal.kind === 'conflict' || refusal.kind === 'replaces' ? [refusal.with] : [];
}
