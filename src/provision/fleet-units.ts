// fleet.units: what is wrong with the units that a file wants to submit to the cluster, said before any host is touched.
// Invariant: a unit of a plan is one that the cluster takes, as far as that can be known without it.
import { quadletProblems } from '../quadlet/check.ts';
import { checkFleetOptions } from '../unitfile/fleet-options.ts';
import { isTemplate, parseUnitName, templateOf } from '../unitfile/name.ts';
import type { Problem } from '../unitfile/problem.ts';
import { parseNamedFile } from '../unitfile/quadlet-name.ts';
import type { DesiredState, UnitName } from '../model/unit.ts';
import type { SubmittedUnit } from './plan.ts';
import type { Problems } from './problems.ts';
import type { SourcePath, SourceTree } from './source-tree.ts';

interface Entry {
  readonly name: string;
  readonly content?: string | undefined;
  readonly command: 'start' | 'load' | 'submit';
}

/** What each command of fleetctl makes of a unit. */
export const DESIRED: Readonly<Record<Entry['command'], DesiredState>> = {
  start: 'launched',
  load: 'loaded',
  submit: 'inactive',
};

/** The units, without those that something is wrong with. */
export function checkFleetUnits(
  entries: readonly Entry[],
  tree: SourceTree,
  problems: Problems,
): readonly SubmittedUnit[] {
  const texts = new Map(entries.map(({ name, content }) => [name, content]));
  const seen = new Set<string>();
  return entries.flatMap((entry, i): SubmittedUnit[] => {
    const at = ['fleet', 'units', i];
    const nameAt = tree.place([...at, 'name']);
    const { ok: name, problem } = parseUnitName(entry.name);
    if (name === undefined) {
      problems.error(nameAt, problem.message, problem.hint);
      return [];
    }
    if (seen.has(name)) problems.error(nameAt, `'${name}' stands here twice`);
    seen.add(name);
    const template = templateOf(name);
    const text = entry.content ?? (template === undefined ? undefined : texts.get(template));
    if (text === undefined) {
      problems.error(nameAt, `'${name}' has no content`, 'Write the unit file, or its template.');
      return [];
    }
    if (isTemplate(name) && entry.command !== 'submit') {
      const hint = `Write command: submit, and name an instance of it besides.`;
      problems.error(nameAt, `a template such as '${name}' can only be submitted`, hint);
    }
    if (entry.content !== undefined)
      for (const fault of faultsOf(name, text)) say(fault, [...at, 'content'], tree, problems);
    return [{ name, text, desiredState: DESIRED[entry.command] }];
  });
}

function faultsOf(name: UnitName, text: string): readonly Problem[] {
  const file = parseNamedFile(name, text);
  if (file.ok === undefined) return file.problems;
  const needs = checkFleetOptions(name, file.ok);
  if (needs.ok === undefined) return needs.problems;
  return quadletProblems(name, file.ok, needs.ok);
}

/** In a text of lines of its own (`|`) the place is that of the unit file's line; elsewhere that of the text. */
function say(fault: Problem, path: SourcePath, tree: SourceTree, problems: Problems): void {
  const before = tree.lineBefore(path);
  const start = tree.place(path);
  const own = before !== undefined && fault.line !== undefined;
  const place = own ? { line: before + fault.line, column: fault.column ?? 1 } : start;
  problems.error(place, fault.message, fault.hint);
}
