// Why a machine may not run a unit: data, with the required and the actual value. scheduler/explain.ts says it in words.
import type { Capability, MachineId } from './machine.ts';
import type { UnitName } from './unit.ts';

export type Refusal =
  | Readonly<{ kind: 'machine-id'; required: string; actual: MachineId }>
  | Readonly<{
      kind: 'metadata';
      key: string;
      required: readonly string[];
      actual: string | undefined;
    }>
  | Readonly<{ kind: 'machine-of'; peer: UnitName; peerOn: MachineId | undefined }>
  | Readonly<{ kind: 'conflict'; with: UnitName; pattern: string; declaredBy: UnitName }>
  /** `circle`: the unit itself replaces `with`, and moves when that does; from the unit to `with`, each moved by the next. */
  | Readonly<{ kind: 'replaces'; with: UnitName; circle?: readonly UnitName[] }>
  /** `value` has a specifier, and what it stands for on this machine cannot stand there. */
  | Readonly<{ kind: 'host-name'; value: string; hostname: string }>
  | Readonly<{ kind: 'leaving' }>
  /** The machine does not say of itself that it can do this. */
  | Readonly<{ kind: 'capability'; required: Capability }>
  | Readonly<{ kind: 'runtime'; required: string }>;

export type RefusalKind = Refusal['kind'];

/** `pending/NAME`: why a unit that should be placed is not. */
export interface Pending {
  readonly name: UnitName;
  readonly generation: number;
  /** Machines per kind of refusal. */
  readonly counts: Readonly<Partial<Record<RefusalKind, number>>>;
  /** At most PENDING_MACHINES_MAX of them, lowest id first. */
  readonly machines: readonly Readonly<{ machine: MachineId; refusal: Refusal }>[];
  /** Set where no machine was asked: there is none, the unit could not be planned, or it waits for something. */
  readonly reason?: 'no-machines' | 'internal' | 'releasing' | 'unreadable' | 'circle' | 'orphan';
  /** With `circle`: units that wait for each other by MachineOf=, from one of them round to it again. */
  readonly circle?: readonly UnitName[];
  /** With `orphan`: where it runs already, unknown to the store; at most PENDING_MACHINES_MAX, lowest id first. */
  readonly orphans?: readonly MachineId[];
}
