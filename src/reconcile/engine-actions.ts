// What the engine can decide for one unit, as plain data: the records to write and the revisions that must still hold.
// Invariant: carrying an action out takes no look-up and no choice; every put that it makes is a field of it.
import type { MachineId } from '../model/machine.ts';
import type { Pending, Refusal } from '../model/refusal.ts';
import type { Assignment, Placement, UnitName } from '../model/unit.ts';

/** Mod revisions that the transaction compares besides the leader key; 0n: the key must not exist. */
export interface Expected {
  /** Of `c/unit/NAME`. */
  readonly unit: bigint;
  /** Of `c/placed/NAME`. */
  readonly placed: bigint;
  /** Of `c/unit/` of the units that it was decided by: it follows them, or gives way to one. */
  readonly others?: readonly Readonly<{ unit: UnitName; revision: bigint }>[];
}

/** Why a unit is asked to leave its machine. */
export type ReleaseReason =
  /** It was unloaded or destroyed. */
  | Readonly<{ kind: 'unwanted' }>
  | Readonly<{ kind: 'became-global' }>
  /** The machine may no longer run it; `replaces` and `conflict` say which unit it gives way to. */
  | Readonly<{ kind: 'refused'; refusal: Refusal }>
  /** Only one of its two keys carries the mark: the release goes on. */
  | Readonly<{ kind: 'half-marked' }>;

interface Common {
  readonly unit: UnitName;
  readonly expected: Expected;
}

/** Puts `c/placed/NAME` and `c/schedule/MACHINE/NAME`; deletes `pending/NAME` if `settles`. */
export interface PlaceAction extends Common {
  readonly kind: 'place';
  readonly machine: MachineId;
  /** `handed-over`: its last machine has stopped it and deleted its schedule key. */
  readonly because: 'unplaced' | 'handed-over';
  readonly placement: Placement;
  readonly assignment: Assignment;
  readonly settles: boolean;
}

/** The same keys on the machine that the unit is on: it was replaced, or the machine's copy says something else. */
export interface UpdateAction extends Common {
  readonly kind: 'update';
  readonly machine: MachineId;
  readonly because: 'replaced' | 'out-of-step';
  readonly placement: Placement;
  readonly assignment: Assignment;
  readonly settles: boolean;
}

/** Puts `c/placed/NAME` and `c/schedule/MACHINE/NAME`, both marked: the machine stops the unit and deletes its key. */
export interface ReleaseAction extends Common {
  readonly kind: 'release';
  readonly machine: MachineId;
  readonly because: ReleaseReason;
  readonly placement: Placement;
  readonly assignment: Assignment;
}

/**
 * Off a machine that is believed absent: puts `c/placed/NAME` and `c/schedule/MACHINE/NAME`; puts `c/schedule/FROM/NAME` marked
 * where `left` is given (else it is marked already); deletes `pending/NAME` if `settles`.
 */
export interface EvictAction extends Common {
  readonly kind: 'evict';
  readonly machine: MachineId;
  readonly from: MachineId;
  readonly because: 'machine-absent';
  readonly placement: Placement;
  readonly assignment: Assignment;
  readonly left: Assignment | undefined;
  readonly settles: boolean;
}

/** Deletes `c/placed/NAME`; puts `c/schedule/FROM/NAME` marked where `left` is given. */
export interface UnplaceAction extends Common {
  readonly kind: 'unplace';
  readonly from: MachineId;
  /** `handed-over`: nobody wants it, or no machine takes it now; `machine-absent`: nobody wants it, nobody is there to ask. */
  readonly because: 'handed-over' | 'machine-absent';
  readonly left: Assignment | undefined;
}

/** Puts `c/schedule/MACHINE/NAME` marked: no placement speaks of it. */
export interface WithdrawAction extends Common {
  readonly kind: 'withdraw';
  readonly machine: MachineId;
  readonly because: 'not-placed-there';
  readonly assignment: Assignment;
}

/** Puts `pending/NAME`. */
export interface PendingAction extends Common {
  readonly kind: 'pending';
  readonly pending: Pending;
}

/** Deletes `pending/NAME`: the unit waits for nothing any more. */
export interface SettledAction extends Common {
  readonly kind: 'settled';
}

export type EngineAction =
  | PlaceAction
  | UpdateAction
  | ReleaseAction
  | EvictAction
  | UnplaceAction
  | WithdrawAction
  | PendingAction
  | SettledAction;
