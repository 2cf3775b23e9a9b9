// The engine's actions as writes: which keys each puts or deletes, and what it compares. The table of DESIGN §2 in code.
// Invariant: nothing is looked up; actions of one unit become one write.
import { OrderedMap } from '../collections/ordered-map.ts';
import type { EngineAction } from '../reconcile/engine-actions.ts';
import type { UnitName } from '../model/unit.ts';
import type { Operation } from '../store/kv.ts';
import type { FencedWrite, ModCompare } from './commit.ts';
import { encode } from './codec.ts';
import type { Keys } from './keys.ts';

/** What is written of one unit. */
export interface UnitWrite extends FencedWrite {
  readonly unit: UnitName;
}

/** The writes of a plan, one a unit, in the plan's order. */
export function writesOf(keys: Keys, actions: readonly EngineAction[]): readonly UnitWrite[] {
  const writes: Draft[] = [];
  const byUnit = new OrderedMap<Draft>();
  for (const action of actions) {
    let write = byUnit.get(action.unit);
    if (write === undefined) {
      const { unit } = action;
      const about = keys.unit(unit);
      write = { unit, about, compares: expectedOf(keys, action), operations: [] };
      writes.push(write);
      byUnit.set(action.unit, write);
    }
    write.compares.push(...absences(keys, action));
    write.operations.push(...operationsOf(keys, action));
  }
  return writes;
}

interface Draft extends UnitWrite {
  readonly compares: ModCompare[];
  readonly operations: Operation[];
}

function expectedOf(keys: Keys, { unit, expected }: EngineAction): ModCompare[] {
  return [
    { key: keys.unit(unit), equals: expected.unit },
    { key: keys.placed(unit), equals: expected.placed },
    ...(expected.others ?? []).map((other) => ({
      key: keys.unit(other.unit),
      equals: other.revision,
    })),
  ];
}

/** What is taken from an absent machine is taken only if it is not back by now: news of it may be late. */
function absences(keys: Keys, action: EngineAction): readonly ModCompare[] {
  const isTaken = action.kind === 'evict' || action.kind === 'unplace';
  if (!isTaken || action.because !== 'machine-absent') return [];
  return [{ key: keys.machine(action.from), equals: 0n }];
}

function operationsOf(keys: Keys, action: EngineAction): readonly Operation[] {
  const { unit } = action;
  switch (action.kind) {
    case 'place':
    case 'update':
      return [...placing(keys, action), ...settling(keys, action)];
    case 'release':
      return placing(keys, action);
    case 'evict':
      return [...placing(keys, action), ...leaving(keys, action), ...settling(keys, action)];
    case 'unplace':
      return [{ kind: 'delete', key: keys.placed(unit) }, ...leaving(keys, action)];
    case 'withdraw':
      return [
        {
          kind: 'put',
          key: keys.schedule(action.machine, unit),
          value: encode('assignment', action.assignment),
        },
      ];
    case 'pending':
      return [{ kind: 'put', key: keys.pending(unit), value: encode('pending', action.pending) }];
    case 'settled':
      return [{ kind: 'delete', key: keys.pending(unit) }];
  }
}

type Placing = Extract<EngineAction, { kind: 'place' | 'update' | 'release' | 'evict' }>;

function placing(keys: Keys, { unit, machine, placement, assignment }: Placing): Operation[] {
  return [
    { kind: 'put', key: keys.placed(unit), value: encode('placement', placement) },
    { kind: 'put', key: keys.schedule(machine, unit), value: encode('assignment', assignment) },
  ];
}

function leaving(
  keys: Keys,
  { unit, from, left }: Extract<EngineAction, { kind: 'evict' | 'unplace' }>,
): Operation[] {
  if (left === undefined) return [];
  return [{ kind: 'put', key: keys.schedule(from, unit), value: encode('assignment', left) }];
}

function settling(keys: Keys, action: { unit: UnitName; settles: boolean }): Operation[] {
  return action.settles ? [{ kind: 'delete', key: keys.pending(action.unit) }] : [];
}
