// What one change of a unit writes: pure. DESIGN §2 says which key is put, marked or deleted when.
// Invariant: a host's copy is written only where placed/ is there and not marked; a mark is never taken back here.
import type {
  Assignment,
  GlobalUnit,
  Placement,
  Unit,
  UnitName,
  UnitTarget,
} from '../model/unit.ts';
import type { Operation } from '../store/kv.ts';
import { encode } from './codec.ts';
import type { Keys } from './keys.ts';
import type { Stored } from './registry.ts';
import { isGlobal } from './registry.ts';

/** What is stored of one unit, read at one revision. */
export interface UnitView {
  readonly unit: Stored<'unit'> | undefined;
  readonly placed: Stored<'placement'> | undefined;
  readonly global: Stored<'global'> | undefined;
  /** The copy for the host that `placed` names; read where that is not marked. */
  readonly assignment: Stored<'assignment'> | undefined;
  /** Another name for the same service, such as web.service for web.container, of which something is stored. */
  readonly namesake: UnitName | undefined;
}

/** The records that a change touches; all readable. */
interface Before {
  readonly placed: Placement | undefined;
  readonly global: GlobalUnit | undefined;
  readonly assignment: Assignment | undefined;
}

/** The operations that make `next` (undefined: destroyed) of what is stored; the unit file's own put is the caller's. */
export function changeOperations(
  keys: Keys,
  view: UnitView,
  next: Unit | undefined,
): readonly Operation[] {
  const before: Before = {
    placed: view.placed?.record,
    global: view.global?.record,
    assignment: view.assignment?.record,
  };
  const operations: Operation[] = [];
  if (next !== undefined)
    operations.push({ kind: 'put', key: keys.unit(next.name), value: encode('unit', next) });
  operations.push(...placementOperations(keys, before, next));
  operations.push(...globalOperations(keys, before.global, next));
  return operations;
}

/** Says whether the host's copy must be read: it is written with what it is a copy of, and not where the host has deleted it. */
export function needsAssignment(placed: Placement | undefined): placed is Placement {
  return placed !== undefined && !placed.release;
}

function placementOperations(
  keys: Keys,
  before: Before,
  next: Unit | undefined,
): readonly Operation[] {
  const { placed, assignment } = before;
  if (!needsAssignment(placed)) return []; // not there, or on its way out: the engine places again
  const put = (value: Assignment): Operation => ({
    kind: 'put',
    key: keys.schedule(placed.machine, placed.name),
    value: encode('assignment', value),
  });
  if (next === undefined || next.desiredState === 'inactive' || isGlobal(next.name, next.options)) {
    const mark: Operation = {
      kind: 'put',
      key: keys.placed(placed.name),
      // A unit created anew under this name counts on from what its host has seen.
      value: encode('placement', {
        ...placed,
        generation: Math.max(placed.generation, assignment?.generation ?? 0),
        release: true,
      }),
    };
    return assignment === undefined ? [mark] : [mark, put({ ...assignment, release: true })];
  }
  if (assignment === undefined || assignment.release) return []; // handed over: the engine places again
  // The version that is placed: its host is allowed to run it, so no engine has to be asked.
  if (next.hash === placed.hash)
    return [put({ ...targetOf(next), machine: placed.machine, release: false })];
  // A replacement waits for the engine. The old version is stopped all the same; a start comes with the new one.
  if (next.desiredState === 'loaded' && assignment.desiredState === 'launched')
    return [put({ ...assignment, desiredState: 'loaded', generation: next.generation })];
  return [];
}

function globalOperations(
  keys: Keys,
  before: GlobalUnit | undefined,
  next: Unit | undefined,
): readonly Operation[] {
  const put = (value: GlobalUnit): readonly Operation[] => [
    { kind: 'put', key: keys.global(value.name), value: encode('global', value) },
  ];
  if (next !== undefined && isGlobal(next.name, next.options)) {
    const target = targetOf(next);
    if (next.desiredState !== 'inactive') return put({ ...target, release: false });
    if (before === undefined || before.release) return [];
    return put({ ...target, release: true });
  }
  if (before === undefined || before.release) return [];
  return put({ ...before, release: true });
}

/** The six fields that a unit, its copy for a host and a global share. */
function targetOf(target: UnitTarget): UnitTarget {
  const { name, hash, sha256, desiredState, generation, options } = target;
  return { name, hash, sha256, desiredState, generation, options };
}
