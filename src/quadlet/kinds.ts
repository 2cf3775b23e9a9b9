// The kinds of Quadlet files, and what each file's service and resource are called: podman-systemd.unit(5).
// Invariant: names come from the file's own name and keys only, so that two files that refer to each other agree.
import type { QuadletType } from '../unitfile/name.ts';
import { SERVICE_SUFFIX } from '../unitfile/quadlet-name.ts';
import type { SectionReader } from './section.ts';

interface KindRule {
  /** The section that describes the resource. */
  readonly section: string;
  /** The key that names the resource; without one there is no name to refer to but what the kind gives. */
  readonly nameKey?: string;
}

export const KIND_RULES: Readonly<Record<QuadletType, KindRule>> = {
  container: { section: 'Container', nameKey: 'ContainerName' },
  volume: { section: 'Volume', nameKey: 'VolumeName' },
  network: { section: 'Network', nameKey: 'NetworkName' },
  pod: { section: 'Pod', nameKey: 'PodName' },
  build: { section: 'Build' },
  image: { section: 'Image' },
  kube: { section: 'Kube' },
  artifact: { section: 'Artifact' },
};

/** The service that a file becomes: `web.container` → `web.service`, `data@.volume` → `data-volume@.service`. */
export function serviceNameOf(name: string, kind: QuadletType, section: SectionReader): string {
  const own = section.text('ServiceName');
  if (own !== undefined && own !== '') return `${own}.service`;
  const [prefix, instance] = partsOf(name);
  return `${prefix}${SERVICE_SUFFIX[kind]}${instance === undefined ? '' : `@${instance}`}.service`;
}

/** The name that the runtime knows the resource by, specifiers of the service included; undefined where nothing names it. */
export function resourceNameOf(
  name: string,
  kind: QuadletType,
  section: SectionReader,
): string | undefined {
  switch (kind) {
    case 'container':
    case 'volume':
    case 'network':
    case 'pod': {
      const own = section.text(KIND_RULES[kind].nameKey ?? '');
      if (own !== undefined && own !== '') return own;
      return kind === 'container' ? defaultContainerName(name) : defaultName(name);
    }
    case 'build':
      return section.all('ImageTag')[0]?.value;
    case 'image':
      return nonEmpty(section.text('ImageTag')) ?? nonEmpty(section.text('Image'));
    case 'artifact':
      return nonEmpty(section.text('Artifact'));
    case 'kube':
      return undefined;
  }
}

function defaultContainerName(name: string): string {
  return name.includes('@') ? 'systemd-%p_%i' : 'systemd-%N';
}

/** A template's resource is one for each instance; '@' itself is in no name that the runtimes take. */
function defaultName(name: string): string {
  const [prefix, instance] = partsOf(name);
  if (instance === undefined) return `systemd-${prefix}`;
  return `systemd-${prefix}-${instance === '' ? '%i' : instance}`;
}

function partsOf(name: string): readonly [prefix: string, instance: string | undefined] {
  const base = name.slice(0, name.lastIndexOf('.'));
  const at = base.indexOf('@');
  return at === -1 ? [base, undefined] : [base.slice(0, at), base.slice(at + 1)];
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
