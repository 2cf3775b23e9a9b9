// Which keys and sections of a Quadlet file mean something: to podman-systemd.unit(5), and to the runtime that is to run it.
import { editDistance } from '../unitfile/fleet-keys.ts';
import type { UnitFile } from '../unitfile/parse.ts';
import type { Draft } from './draft.ts';
import type { KeyRules } from './keys.ts';
import { KIND_RULES } from './kinds.ts';
import { PODMAN_KINDS } from './podman/podman.ts';
import type { RuntimeRules } from './runtime.ts';
import type { Assignment } from './section.ts';
import { SectionReader } from './section.ts';

const QUADLET_KEYS: readonly string[] = ['DefaultDependencies'];

/** Keys of [Service] that would keep the runtime from doing its work, or be taken for the container's. */
const SERVICE_KEYS: ReadonlySet<string> = new Set(['User', 'Group', 'DynamicUser']);

export function checkKeys(draft: Draft, file: UnitFile, runtime: RuntimeRules): void {
  const known = PODMAN_KINDS[draft.kind].keys;
  const carriedOut: KeyRules = runtime.kinds[draft.kind]?.keys ?? {};
  const refused = new Set<string>();
  for (const assignment of draft.section.assignments) {
    if (!Object.hasOwn(known, assignment.key)) unknownKey(draft, assignment, Object.keys(known));
    else if (!Object.hasOwn(carriedOut, assignment.key) && !refused.has(assignment.key)) {
      refused.add(assignment.key);
      cannot(draft, assignment, runtime.reasons[assignment.key]);
    }
  }
  for (const assignment of new SectionReader(file, 'Quadlet').assignments)
    if (!QUADLET_KEYS.includes(assignment.key)) unknownKey(draft, assignment, QUADLET_KEYS);
  for (const assignment of new SectionReader(file, 'Service').assignments) {
    if (!SERVICE_KEYS.has(assignment.key) || assignment.value === '') continue;
    draft.warn(
      assignment.keyAt,
      `using key ${assignment.key} in the Service group is not supported`,
      `It would be ${draft.host.runtime} that runs as that user: write the key in [${KIND_RULES[draft.kind].section}].`,
    );
  }
  foreignSections(draft, file);
}

/** Says that the runtime has no word for a key. */
export function cannot(draft: Draft, { key, keyAt }: Assignment, reason: string | undefined): void {
  const { runtime } = draft.host;
  draft.refuse(
    keyAt,
    `${runtime} cannot express '${key}='${reason === undefined ? '' : `: ${reason}`}`,
    "Remove the key, or write 'Runtime=podman' in [X-Fleet].",
  );
}

function unknownKey(draft: Draft, { key, keyAt }: Assignment, known: readonly string[]): void {
  const group = known === QUADLET_KEYS ? 'Quadlet' : KIND_RULES[draft.kind].section;
  const shown = key.length <= 64 ? key : `${key.slice(0, 63)}…`;
  const wanted = shown.toLowerCase();
  const [nearest = ''] = known
    .map((name) => ({ name, edits: editDistance(wanted, name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
    .map(({ name }) => name);
  draft.refuse(
    keyAt,
    `unsupported key '${shown}' in group '${group}'`,
    `The nearest known one is '${nearest}'.`,
  );
}

/** Sections of other kinds: systemd would pass them over in silence. */
function foreignSections(draft: Draft, file: UnitFile): void {
  for (const entry of file.entries) {
    if (entry.kind !== 'section') continue;
    const other = Object.values(KIND_RULES).some(({ section }) => section === entry.name);
    if (!other || entry.name === KIND_RULES[draft.kind].section) continue;
    draft.refuse(
      { line: entry.line, column: 1 },
      `the section '[${entry.name}]' means nothing in a '.${draft.kind}' file`,
      `Put it into a file of its own, '….${entry.name.toLowerCase()}'.`,
    );
  }
}
