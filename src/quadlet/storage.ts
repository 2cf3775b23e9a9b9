// `Volume=` and `Mount=`: where a source is a path, a volume by its name, or a Quadlet file.
// Invariant: what lies on a path of the host is mounted before the service starts.
import { quadletTypeOf } from '../unitfile/quadlet-name.ts';
import type { Place } from '../unitfile/fleet-rules.ts';
import { parseCsv, writeCsv } from './csv.ts';
import type { Draft } from './draft.ts';
import { useResource } from './references.ts';
import type { Assignment } from './section.ts';

/** `-v SOURCE:DESTINATION[:OPTIONS]` for each volume. */
export function volumeArguments(draft: Draft): readonly string[] {
  return draft.section.all('Volume').flatMap((assignment) => {
    const [source = '', destination, ...options] = assignment.value.split(':');
    if (destination === undefined || source === '') return ['-v', assignment.value];
    const resolved = sourceOf(draft, source, assignment, ['volume']);
    return ['-v', [resolved, destination, ...options].join(':')];
  });
}

/** `--mount` for each mount. */
export function mountArguments(draft: Draft): readonly string[] {
  return draft.section
    .all('Mount')
    .flatMap((assignment) =>
      draft
        .wordsOf(assignment, 'unescape')
        .flatMap((mount) => ['--mount', resolveMount(draft, mount, assignment)]),
    );
}

/** The types of mounts whose source may be a relative path or a Quadlet file. */
const WITH_SOURCE: ReadonlySet<string> = new Set(['volume', 'bind', 'glob', 'image']);

function resolveMount(draft: Draft, mount: string, assignment: Assignment): string {
  const fields = mountFields(draft, mount, assignment.at);
  if (fields === undefined || !WITH_SOURCE.has(fields.type)) return mount;
  const rest = fields.rest.map((field) => {
    const equals = field.indexOf('=');
    const key = equals === -1 ? field : field.slice(0, equals);
    if (key !== 'source' && key !== 'src') return field;
    const source = equals === -1 ? '' : field.slice(equals + 1);
    if (source !== '') return `source=${sourceOf(draft, source, assignment, ['volume', 'image'])}`;
    const hint = `Write '${key}=' with a path or a name.`;
    draft.refuse(assignment.at, `Mount: the ${key} parameter does not include a value`, hint);
    return field;
  });
  return writeCsv([`type=${fields.type}`, ...rest]);
}

/** A mount's type (a volume where it says none) and its other fields. */
export function mountFields(
  draft: Draft,
  mount: string,
  at: Place,
): Readonly<{ type: string; rest: readonly string[] }> | undefined {
  const fields = parseCsv(mount);
  if (fields === undefined) {
    const hint = 'Put double quotes round the whole of a field that has a comma.';
    draft.refuse(at, `Mount: '${mount}' is no list of comma-separated fields`, hint);
    return undefined;
  }
  const type = fields.find((field) => field.startsWith('type='))?.slice('type='.length);
  return { type: type ?? 'volume', rest: fields.filter((field) => !field.startsWith('type=')) };
}

function sourceOf(
  draft: Draft,
  source: string,
  assignment: Assignment,
  kinds: readonly ('volume' | 'image')[],
): string {
  if (/^[./]/.test(source)) {
    const path = draft.path(assignment, source);
    draft.service.addWord('Unit', 'RequiresMountsFor', path);
    return path;
  }
  const kind = quadletTypeOf(source);
  if ((kind !== 'volume' && kind !== 'image') || !kinds.includes(kind)) return source;
  return useResource(draft, source, assignment.at) ?? source;
}
