// Names of Quadlet files: which service each becomes on its host, and which runtimes can carry it out.
// Invariant: what runs under a unit's name follows from the name alone; the pure converter may say more, the cluster does not.
import { RUNTIMES, type Runtime } from '../model/container-runtime.ts';
import type { UnitName } from '../model/unit.ts';
import { QUADLET_TYPES, type QuadletType } from './name.ts';
import { parseUnitFile, type UnitFile } from './parse.ts';
import type { Checked } from './problem.ts';

/** What stands in the service's name behind the file's own: `data.volume` runs as `data-volume.service`. */
export const SERVICE_SUFFIX: Readonly<Record<QuadletType, string>> = {
  container: '',
  volume: '-volume',
  network: '-network',
  pod: '-pod',
  build: '-build',
  image: '-image',
  kube: '',
  artifact: '-artifact',
};

const RUNTIMES_OF: Readonly<Record<QuadletType, readonly Runtime[]>> = {
  container: RUNTIMES,
  volume: ['podman', 'docker'],
  network: ['podman', 'docker'],
  pod: ['podman'],
  build: ['podman', 'docker'],
  image: ['podman', 'docker'],
  kube: ['podman'],
  artifact: ['podman'],
};

/** The type of a Quadlet file by its name; undefined for a unit that systemd reads itself. */
export function quadletTypeOf(name: string): QuadletType | undefined {
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? undefined : QUADLET_TYPES.find((type) => type === name.slice(dot + 1));
}

/** The unit that systemd knows: a Quadlet file's service, any other unit itself. */
export function systemdNameOf(name: UnitName): UnitName {
  const type = quadletTypeOf(name);
  if (type === undefined) return name;
  const base = name.slice(0, -(type.length + 1));
  const at = base.indexOf('@');
  const suffix = SERVICE_SUFFIX[type];
  const stem = at === -1 ? base + suffix : base.slice(0, at) + suffix + base.slice(at);
  return `${stem}.service` as UnitName; // of a checked name's characters
}

/** Other names under which a unit would run as the same one: two of them cannot be in the cluster together. */
export function namesakesOf(name: UnitName): readonly UnitName[] {
  const service = systemdNameOf(name);
  if (!service.endsWith('.service')) return [];
  const base = service.slice(0, -'.service'.length);
  const at = base.indexOf('@');
  const [prefix, instance] = at === -1 ? [base, ''] : [base.slice(0, at), base.slice(at)];
  const files = QUADLET_TYPES.filter((type) => {
    const suffix = SERVICE_SUFFIX[type];
    return prefix.endsWith(suffix) && prefix.length > suffix.length;
  }).map((type) => {
    const stem = prefix.slice(0, prefix.length - SERVICE_SUFFIX[type].length);
    return `${stem}${instance}.${type}` as UnitName; // of a checked name's characters
  });
  return [service, ...files].filter((other) => other !== name);
}

/** The file, by the rules of its name: podman's for Quadlet files, systemd's for all others. */
export function parseNamedFile(name: string, text: string): Checked<UnitFile> {
  return parseUnitFile(text, quadletTypeOf(name) === undefined ? 'systemd' : 'podman');
}

/** The runtimes of which a host must have one, in the order of preference; undefined for a unit that needs none. */
export function runtimesFor(
  name: UnitName,
  asked: Runtime | 'auto' = 'auto',
): readonly Runtime[] | undefined {
  const type = quadletTypeOf(name);
  if (type === undefined) return undefined;
  return asked === 'auto' ? RUNTIMES_OF[type] : [asked];
}
