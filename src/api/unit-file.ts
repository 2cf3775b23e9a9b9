// A unit file on its way in: parsed, its [X-Fleet] options checked, and what the registry stores of it.
import { FleetError } from '../model/errors.ts';
import type { DesiredState, UnitName, UnitOption } from '../model/unit.ts';
import type { UnitFile } from '../registry/units.ts';
import { checkFleetOptions } from '../unitfile/fleet-options.ts';
import {
  descriptionOf,
  formatUnitFile,
  optionsOf,
  storedOptionsOf,
  unitFileFromOptions,
} from '../unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../unitfile/hash.ts';
import { isTemplate } from '../unitfile/name.ts';
import { quadletProblems } from '../quadlet/check.ts';
import type { UnitFile as ParsedFile } from '../unitfile/parse.ts';
import { parseNamedFile } from '../unitfile/quadlet-name.ts';
import { problemLine, type Problem } from '../unitfile/problem.ts';

/** problems named in one message; all are in the details. */
const PROBLEMS_NAMED = 5;

/** Checks a text; throws UNIT_FILE_INVALID with every problem. */
export function fileOfText(name: UnitName, text: string): UnitFile {
  const { ok, problems } = parseNamedFile(name, text);
  if (ok === undefined) throw invalidFile(name, problems);
  return fileOf(name, ok, text);
}

/** Checks the options that v1 sends instead of a text, and writes them into one. */
export function fileOfOptions(name: UnitName, options: readonly UnitOption[]): UnitFile {
  const { ok, problems } = unitFileFromOptions(options);
  if (ok === undefined) throw invalidFile(name, problems);
  return fileOf(name, ok, formatUnitFile(ok));
}

/** Refuses to make a template active: it is no unit that systemd could start. */
export function refuseActiveTemplate(name: UnitName, desiredState: DesiredState | undefined): void {
  if (desiredState === undefined || desiredState === 'inactive' || !isTemplate(name)) return;
  throw new FleetError(
    'REQUEST_INVALID',
    `field 'desiredState' is invalid: '${name}' is a template and cannot be ${desiredState}`,
    {
      hint: `Make an instance of it ${desiredState}, such as '${name.replace('@.', '@1.')}'.`,
      details: { field: 'desiredState', unit: name },
    },
  );
}

function fileOf(name: UnitName, file: ParsedFile, text: string): UnitFile {
  refuseHidden(name);
  refuseEmpty(name, file);
  const { ok: needs, problems } = checkFleetOptions(name, file);
  if (problems !== undefined) throw invalidFile(name, problems);
  const faults = quadletProblems(name, file, needs);
  if (faults.length > 0) throw invalidFile(name, faults);
  const options = optionsOf(file);
  return {
    text,
    hash: hashOfOptions(options),
    sha256: sha256Of(text),
    options: storedOptionsOf(options),
    description: descriptionOf(options),
  };
}

/** systemd would start it, but passes over hidden files when it is to take their links away again. */
function refuseHidden(name: UnitName): void {
  if (!name.startsWith('.')) return;
  throw new FleetError(
    'UNIT_NAME_INVALID',
    `'${name}' cannot be the name of a unit file: it is hidden`,
    {
      hint: "Write the leading '.' as '\\x2e', as systemd-escape does.",
      details: { name },
    },
  );
}

/** systemd takes a file of no bytes for a mask; one of comments only is a slip as well. */
function refuseEmpty(name: UnitName, file: ParsedFile): void {
  if (file.entries.some(({ kind }) => kind === 'section' || kind === 'option')) return;
  const message = 'it is empty: it has no section and no option';
  const hint = "Write what the unit is to do, such as '[Service]' and 'ExecStart='.";
  throw invalidFile(name, [{ message, hint }]);
}

function invalidFile(name: UnitName, problems: readonly Problem[]): FleetError {
  const lines = problems.slice(0, PROBLEMS_NAMED).map(problemLine);
  const more = problems.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  const hint = problems.find((problem) => problem.hint !== undefined)?.hint;
  return new FleetError(
    'UNIT_FILE_INVALID',
    `the file of unit '${name}' is refused: ${lines.join('; ')}`,
    {
      ...(hint === undefined ? {} : { hint }),
      details: { unit: name, field: 'options', problems },
    },
  );
}
