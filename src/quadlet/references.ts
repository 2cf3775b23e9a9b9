// Quadlet files that one refers to: what they are called as services and resources, and the dependencies that follow.
// Invariant: a name that ends like a Quadlet file is one; where that file is not known, the reference is refused.
import type { Place } from '../unitfile/fleet-rules.ts';
import type { Draft } from './draft.ts';
import { KIND_RULES, quadletKindOf, resourceNameOf, serviceNameOf } from './kinds.ts';
import type { QuadletKind } from './kinds.ts';
import { SectionReader } from './section.ts';
import { splitWords } from './words.ts';
import type { UnitFile } from '../unitfile/parse.ts';

/** Another Quadlet file, by what its service and its resource are called. */
export interface Referred {
  readonly kind: QuadletKind;
  readonly service: string;
  readonly resource: string | undefined;
}

/** The file of that name as others see it; undefined where it is not known. */
export function referredTo(draft: Draft, name: string): Referred | undefined {
  const kind = quadletKindOf(name);
  const file = draft.host.quadlets.get(name);
  if (kind === undefined || file === undefined) return undefined;
  const section = new SectionReader(file, KIND_RULES[kind].section);
  const service = serviceNameOf(name, kind, section);
  const resource = resourceNameOf(name, kind, section);
  // A container's name may come from its service's; other specifiers would mean another thing in this service.
  const settled = kind === 'container' ? resource?.replaceAll('%N', stem(service)) : resource;
  return { kind, service, resource: settled };
}

/** The resource of a file that this one uses, with `Requires=` and `After=` of its service; refused where there is none. */
export function useResource(draft: Draft, name: string, at: Place | undefined): string | undefined {
  const referred = referredTo(draft, name);
  if (referred === undefined) {
    draft.refuse(at, `requested Quadlet unit ${name} was not found`, NOT_FOUND_HINT);
    return undefined;
  }
  draft.service.add('Unit', 'Requires', referred.service);
  draft.service.add('Unit', 'After', referred.service);
  const { kind, resource } = referred;
  const foreign = kind === 'container' && resource?.includes('%') === true;
  if (resource !== undefined && !foreign) return resource;
  draft.refuse(
    at,
    `cannot get the resource name of ${name}`,
    `Name it in that file, by '${KIND_RULES[kind].nameKey ?? 'ImageTag'}=' without specifiers.`,
  );
  return undefined;
}

const NOT_FOUND_HINT = 'Submit that file too, under this name.';

/** An image, or the image that a `.image` or `.build` file stands for. */
export function imageOf(draft: Draft, image: string, at: Place | undefined): string {
  const kind = quadletKindOf(image);
  if (kind !== 'image' && kind !== 'build') return image;
  return useResource(draft, image, at) ?? image;
}

/** The keys of [Unit] that name other units. */
const DEPENDENCIES = [
  'After',
  'Before',
  'BindsTo',
  'Conflicts',
  'OnFailure',
  'OnSuccess',
  'PartOf',
  'PropagatesReloadTo',
  'PropagatesStopTo',
  'ReloadPropagatedFrom',
  'Requires',
  'Requisite',
  'StopPropagatedFrom',
  'Upholds',
  'Wants',
] as const;

/** Puts services for the Quadlet files that [Unit] names. */
export function translateDependencies(draft: Draft, unit: SectionReader): void {
  for (const key of DEPENDENCIES) {
    const names = draft.service.all('Unit', key).flatMap((value) => value.split(/\s+/));
    if (names.every((name) => quadletKindOf(name) === undefined)) continue;
    const services = names.map((name) => {
      if (quadletKindOf(name) === undefined) return name;
      const service = referredTo(draft, name)?.service;
      if (service === undefined) {
        const message = `unable to translate dependency for ${name}`;
        draft.refuse(unit.last(key)?.at, message, NOT_FOUND_HINT);
      }
      return service ?? name;
    });
    draft.service.replace('Unit', key, services.join(' '));
  }
}

/** Names of the Quadlet files that this one refers to anywhere. Answers more than is needed rather than less. */
export function referencesOf(file: UnitFile): readonly string[] {
  const found = new Set<string>();
  const values = file.entries.filter((entry) => entry.kind === 'option').map(({ value }) => value);
  for (const value of values) {
    const { words } = splitWords(value, 'retain');
    for (const word of words ?? []) {
      for (const part of word.split(/[:,=]/))
        if (quadletKindOf(part) !== undefined && !part.includes('/')) found.add(part);
    }
  }
  return [...found].sort();
}

function stem(service: string): string {
  return service.slice(0, -'.service'.length);
}
