// What a host sees to beside a unit's own file, by what its [X-Fleet] section asks.
import type { UnitName, UnitOption } from '../model/unit.ts';
import { requirementsOf } from '../unitfile/fleet-options.ts';

/** Both absent: nothing. */
export interface Guards {
  /** Its starts are given fencing tokens, and are asked of the store once more. */
  readonly fenced?: true;
  /** It is stopped where this host is cut off (`OnPartition=stop`); always with `fenced`. */
  readonly stopsCutOff?: true;
}

/** The guards of a unit with these options, stored or of a file. */
export function guardsOf(name: UnitName, options: readonly UnitOption[]): Guards {
  const needs = requirementsOf(name, options).ok;
  return {
    ...(needs?.fence === undefined ? {} : { fenced: true as const }),
    ...(needs?.onPartition === undefined ? {} : { stopsCutOff: true as const }),
  };
}
