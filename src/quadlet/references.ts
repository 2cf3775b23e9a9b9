// Quadlet files that one refers to: what they are called as services and resources, and the dependencies that follow.
// Invariant: a name that ends like a Quadlet file is one.
import type { QuadletType } from '../unitfile/name.ts';
import { quadletTypeOf } from '../unitfile/quadlet-name.ts';
import type { Place } from '../unitfile/fleet-rules.ts';
import type { Draft } from './draft.ts';
import { KIND_RULES, resourceNameOf, serviceNameOf } from './kinds.ts';
import { SectionReader } from './section.ts';
import { splitWords } from './words.ts';
import type { UnitFile } from '../unitfile/parse.ts';

/** Another Quadlet file, by what its service and its resource are called. */
export interface Referred {
  readonly kind: QuadletType;
  readonly service: string;
  readonly resource: string | undefined;
}

/** The file of that name as others see it. Of one that is not known, which the host may have by itself, the names follow the kind's rule. */
export function referredTo(draft: Draft, name: string, kind: QuadletType): Referred {
  const section = new SectionReader(draft.host.quadlets.get(name), KIND_RULES[kind].section);
  const service = serviceNameOf(name, kind, section);
  const resource = resourceNameOf(name, kind, section);
  // A container's name may come from its service's; other specifiers would mean another thing in this service.
  const settled = kind === 'container' ? resource?.replaceAll('%N', stem(service)) : resource;
  return { kind, service, resource: settled };
}

/** The resource of a file that this one uses, with `Requires=` and `After=` of its service; refused where nothing names it. */
export function useResource(draft: Draft, name: string, at: Place | undefined): string | undefined {
  const kind = quadletTypeOf(name);
  if (kind === undefined) return undefined;
  const { service, resource } = referredTo(draft, name, kind);
  draft.service.add('Unit', 'Requires', service);
  draft.service.add('Unit', 'After', service);
  noteUnknown(draft, name, at);
  const foreign = kind === 'container' && resource?.includes('%') === true;
  if (resource !== undefined && !foreign) return resource;
  const known = draft.host.quadlets.has(name);
  draft.refuse(
    at,
    known
      ? `cannot get the resource name of ${name}`
      : `requested Quadlet unit ${name} was not found`,
    known ? 'Name it in that file, without specifiers.' : 'Submit that file too, under this name.',
  );
  return undefined;
}

/** Says that the file is not one of the cluster, so that its service must be one of the host's own. */
export function noteUnknown(draft: Draft, name: string, at: Place | undefined): void {
  if (draft.host.quadlets.has(name)) return;
  draft.warn(
    at,
    `the Quadlet unit ${name} is not known to the cluster: its names are taken from podman's rule`,
    'Submit that file too, unless each host has it by itself.',
  );
}

/** An image, or the image that a `.image` or `.build` file stands for. */
export function imageOf(draft: Draft, image: string, at: Place | undefined): string {
  const kind = quadletTypeOf(image);
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
    if (names.every((name) => quadletTypeOf(name) === undefined)) continue;
    const services = names.map((name) => {
      const kind = quadletTypeOf(name);
      if (kind === undefined) return name;
      noteUnknown(draft, name, unit.last(key)?.at);
      return referredTo(draft, name, kind).service;
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
        if (quadletTypeOf(part) !== undefined && !part.includes('/')) found.add(part);
    }
  }
  return [...found].sort();
}

function stem(service: string): string {
  return service.slice(0, -'.service'.length);
}

/** Paths of the devices that need not be there: `AddDevice=-PATH`. */
export function optionalDevicesOf(file: UnitFile): readonly string[] {
  return new SectionReader(file, KIND_RULES.container.section)
    .all('AddDevice')
    .flatMap(({ value }) => splitWords(value, 'retain').words ?? [])
    .filter((device) => device.startsWith('-'))
    .map((device) => device.slice(1).split(':')[0] ?? '');
}
