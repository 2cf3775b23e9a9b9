// `Network=` and `.network` for docker.
import { quadletTypeOf } from '../../unitfile/quadlet-name.ts';
import { cannot } from '../check-keys.ts';
import { unlessThere } from '../create-once.ts';
import type { Draft } from '../draft.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { oneshotDefaults } from '../podman/service.ts';
import { useResource } from '../references.ts';
import { subnetArguments } from '../subnets.ts';
import { DOCKER_NETWORK } from './keys.ts';

/** The one network that `docker run` takes. */
export function dockerNetwork(draft: Draft): readonly string[] {
  const [first, second] = draft.section.all('Network');
  if (second !== undefined) cannot(draft, second, 'a container begins in one network');
  if (first === undefined) return [];
  const [name = '', ...options] = first.value.split(':');
  const kind = quadletTypeOf(name);
  if (kind === 'network' || kind === 'container') {
    if (options.length > 0) cannot(draft, first, 'a network has no options of its own');
    const resource = useResource(draft, name, first.at) ?? name;
    return ['--network', kind === 'network' ? resource : `container:${resource}`];
  }
  if (name === 'container') return ['--network', first.value];
  if (options.length > 0) cannot(draft, first, 'a network has no options of its own');
  if (/^(?:pasta|slirp4netns|private|ns)$/.test(name))
    cannot(draft, first, `it has no mode '${name}'`);
  return ['--network', first.value];
}

export function convertNetwork(draft: Draft): void {
  const { program } = draft.host;
  const name = resourceNameOf(draft.name, 'network', draft.section) ?? '';
  if (draft.section.boolean('NetworkDeleteOnStop') === true)
    draft.service.addCommand('ExecStopPost', [program, 'network', 'rm', name]);
  // docker would make another one of the same name: what is there already is kept, as podman's --ignore does.
  const create = [program, 'network', 'create'];
  create.push(...plainArguments(draft, DOCKER_NETWORK), ...subnetArguments(draft), name);
  const look = [program, 'network', 'inspect', name] as const;
  draft.service.addCommand('ExecStart', unlessThere(look, create));
  oneshotDefaults(draft, 'remains');
}
