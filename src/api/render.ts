// Records as the API shows them; in v1 the fields stand in the order that fleet 1.0 had.
import type { Unit } from '../model/unit.ts';
import type { StateRow } from '../registry/read-states.ts';
import { isGlobal } from '../registry/registry.ts';
import type { V1UnitState, V2Unit, V2UnitState } from './types.ts';

/** A row in the order of fields that fleet 1.0 had. */
export function v1State({ state }: StateRow): V1UnitState {
  return {
    hash: state.hash,
    machineID: state.machine,
    name: state.name,
    systemdActiveState: state.activeState,
    systemdLoadState: state.loadState,
    systemdSubState: state.subState,
  };
}

/** A unit's own record as v2 shows it; what has come of it is the caller's to add. */
export function v2Unit(unit: Unit): V2Unit {
  const { name, hash, sha256, desiredState, generation, description } = unit;
  const global = isGlobal(name, unit.options);
  return { name, hash, sha256, desiredState, generation, global, description };
}

/** What a host reports, as v2 shows it. */
export function v2State(row: StateRow): V2UnitState {
  const common = { ...v1State(row), generation: row.state.generation };
  if (row.kind === 'orphan') return { ...common, orphan: true };
  const { started, job, result, refusal } = row.state;
  return {
    ...common,
    ...(started === undefined ? {} : { started }),
    ...(job === undefined ? {} : { job }),
    ...(result === undefined ? {} : { result }),
    ...(refusal === undefined ? {} : { refusal }),
  };
}
