// Changes what is stored of one unit: read, decide, write if nothing of it has changed, else again.
// Invariant: an answer is given only for what is committed; a try that was committed without our knowing is recognised, not repeated.
import { FleetError, isFleetError } from '../model/errors.ts';
import { CAS_TRIES_MAX } from '../model/limits.ts';
import type { UnitName } from '../model/unit.ts';
import type { Compare, Operation, Revision, TxnResult } from '../store/kv.ts';
import { namesakesOf } from '../unitfile/quadlet-name.ts';
import type { Registry, Stored } from './registry.ts';
import { storedRecord } from './registry.ts';
import type { UnitView } from './unit-change.ts';
import { needsAssignment } from './unit-change.ts';

/** What to write, and what to answer when it is written; without operations: what is stored is as asked. */
export interface Decision<T> {
  readonly operations: readonly Operation[];
  readonly answer: T;
}

export interface Change<T> {
  readonly name: UnitName;
  /** Nothing is stored of it, most likely: that is tried first, and costs no more than reading where it is wrong. */
  readonly isNew?: boolean;
  /** Decides from what is stored; throws a FleetError to refuse. */
  decide(view: UnitView): Decision<T>;
  /** Says, after a try whose outcome is unknown, whether `now` shows that it was committed. */
  committed(tried: UnitView, now: UnitView): boolean;
}

export interface Changed<T> {
  readonly answer: T;
  /** Of the write, or of the read that found nothing to do. */
  readonly revision: Revision;
}

/** Carries out one change of a unit; throws REGISTRY_BUSY when others were faster CAS_TRIES_MAX times. */
export async function changeUnit<T>(
  registry: Registry,
  change: Change<T>,
  signal: AbortSignal,
): Promise<Changed<T>> {
  const isGuess = change.isNew === true;
  let { view, revision } = isGuess ? NOTHING : await readView(registry, change.name, signal);
  let unknown: Readonly<{ tried: UnitView; answer: T; error: FleetError }> | undefined;
  for (let attempt = isGuess ? 0 : 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    if (unknown !== undefined && change.committed(unknown.tried, view))
      return { answer: unknown.answer, revision: view.unit?.modRevision ?? revision };
    const decision = decide(change, view, unknown?.error);
    if (decision.operations.length === 0) return { answer: decision.answer, revision };
    let result: TxnResult;
    try {
      result = await registry.kv.txn(
        {
          compares: viewCompares(registry, change.name, view),
          then: decision.operations,
          else: viewGets(registry, change.name),
        },
        signal,
      );
    } catch (error) {
      if (!isFleetError(error, 'STORE_UNAVAILABLE') || error.details['ambiguous'] !== true)
        throw error;
      unknown = { tried: view, answer: decision.answer, error };
      ({ view, revision } = await readView(registry, change.name, signal));
      continue;
    }
    if (result.succeeded) return { answer: decision.answer, revision: result.revision };
    ({ view, revision } = await completeView(registry, change.name, result, signal));
  }
  if (unknown !== undefined && change.committed(unknown.tried, view))
    return { answer: unknown.answer, revision: view.unit?.modRevision ?? revision };
  throw new FleetError(
    'REGISTRY_BUSY',
    `unit '${change.name}' was changed by others ${CAS_TRIES_MAX} times while this request was tried`,
    { hint: 'Try again.', details: { unit: change.name } },
  );
}

/** The decision; a refusal says nothing where an earlier try may have been committed, and others have changed the unit since. */
function decide<T>(
  change: Change<T>,
  view: UnitView,
  unknown: FleetError | undefined,
): Decision<T> {
  try {
    return change.decide(view);
  } catch (error) {
    if (unknown === undefined || !isFleetError(error)) throw error;
    throw unknown;
  }
}

interface ViewAt {
  readonly view: UnitView;
  readonly revision: Revision;
}

/** A decision on this writes, and the write says when it is wrong: its revision is never answered. */
const NOTHING: ViewAt = {
  view: {
    unit: undefined,
    placed: undefined,
    global: undefined,
    assignment: undefined,
    namesake: undefined,
  },
  revision: 0n,
};

async function readView(registry: Registry, name: UnitName, signal: AbortSignal): Promise<ViewAt> {
  const result = await registry.kv.txn({ then: viewGets(registry, name) }, signal);
  return completeView(registry, name, result, signal);
}

/** The view in an answer to `viewGets`; the host's copy, whose key the first round names, is read in a second. */
async function completeView(
  registry: Registry,
  name: UnitName,
  result: TxnResult,
  signal: AbortSignal,
): Promise<ViewAt> {
  const [unit, placed, global, ...namesakes] = result.gets;
  const taken = namesakeKeys(registry, name).find((_, index) => namesakes[index] !== undefined);
  const view: UnitView = {
    unit: storedRecord(registry, 'unit', unit),
    placed: storedRecord(registry, 'placement', placed),
    global: storedRecord(registry, 'global', global),
    assignment: undefined,
    namesake: taken?.name,
  };
  const held = view.placed?.record;
  if (!needsAssignment(held)) return { view, revision: result.revision };
  const key = registry.keys.schedule(held.machine, name);
  const second = await registry.kv.txn({ then: [{ kind: 'get', key }] }, signal);
  const assignment = storedRecord(registry, 'assignment', second.gets[0]);
  return { view: { ...view, assignment }, revision: result.revision };
}

function viewGets(registry: Registry, name: UnitName): readonly Operation[] {
  const { keys } = registry;
  const namesakes = namesakeKeys(registry, name).map(({ key }) => key);
  return [keys.unit(name), keys.placed(name), keys.global(name), ...namesakes].map((key) => ({
    kind: 'get',
    key,
  }));
}

/** Where something is stored of a unit that would be the same service on a host; what is being taken away counts too. */
function namesakeKeys(
  { keys }: Registry,
  name: UnitName,
): readonly Readonly<{ name: UnitName; key: string }>[] {
  return namesakesOf(name).flatMap((other) =>
    [keys.unit(other), keys.placed(other), keys.global(other)].map((key) => ({ name: other, key })),
  );
}

function viewCompares(registry: Registry, name: UnitName, view: UnitView): readonly Compare[] {
  const { keys } = registry;
  const same = (
    key: string,
    stored: Stored<'unit' | 'placement' | 'global' | 'assignment'> | undefined,
  ): Compare => ({
    key,
    target: 'mod',
    equals: stored?.modRevision ?? 0n,
  });
  const compares = [
    same(keys.unit(name), view.unit),
    same(keys.placed(name), view.placed),
    same(keys.global(name), view.global),
  ];
  const held = view.placed?.record;
  if (needsAssignment(held))
    compares.push(same(keys.schedule(held.machine, name), view.assignment));
  // Of two that are created at once, one must see the other. A unit that is there was created beside none.
  if (view.unit === undefined)
    for (const { key } of namesakeKeys(registry, name)) compares.push(same(key, undefined));
  return compares;
}
