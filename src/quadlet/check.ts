// What is wrong with a Quadlet file on whatever host it comes to: found when it is submitted, before any host is chosen.
// Invariant: what is refused here no host of the cluster could run; what depends on the host is not looked at.
import type { Requirements } from '../model/requirements.ts';
import type { UnitFile } from '../unitfile/parse.ts';
import { parseUnitFile } from '../unitfile/parse.ts';
import type { Problem } from '../unitfile/problem.ts';
import { quadletTypeOf } from '../unitfile/quadlet-name.ts';
import { convertQuadlet } from './convert.ts';
import { KIND_RULES } from './kinds.ts';
import { referencesOf } from './references.ts';
import { SectionReader } from './section.ts';

/** The problems of a Quadlet file; none for any other unit, and none where one of the runtimes that it asks for can run it. */
export function quadletProblems(
  name: string,
  file: UnitFile,
  { runtimes }: Pick<Requirements, 'runtimes'>,
): readonly Problem[] {
  const type = quadletTypeOf(name);
  if (type === undefined || runtimes === undefined) return [];
  const named = new SectionReader(file, KIND_RULES[type].section).last('ServiceName');
  if (named !== undefined) {
    const message =
      "'ServiceName=' cannot be used in the cluster: the service is named after the unit";
    return [{ ...named.keyAt, message, hint: 'Remove it, and name the unit so.' }];
  }
  const quadlets = new Map(referencesOf(file).map((other) => [other, standIn(other)]));
  let first: readonly Problem[] | undefined;
  for (const runtime of runtimes) {
    const host = { runtime, program: `/usr/bin/${runtime}`, user: false, quadlets };
    const { problems } = convertQuadlet(name, file, { ...host, devices: new Set() });
    if (problems === undefined) return [];
    first ??= problems;
  }
  return first ?? [];
}

/** Another file may be submitted later: here it only has to be one that has a name. */
function standIn(name: string): UnitFile {
  const type = quadletTypeOf(name);
  const named = type === 'image' ? 'Image=a' : type === 'build' ? 'ImageTag=a' : '';
  const section = type === undefined ? 'Unit' : KIND_RULES[type].section;
  return parseUnitFile(`[${section}]\n${named}\n`).ok ?? { bom: false, entries: [] };
}
