// docker: containers, volumes, networks, and images that are pulled or built; the rest is podman's alone.
import { cannot } from '../check-keys.ts';
import type { Draft } from '../draft.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { buildSources } from '../podman/build.ts';
import { oneshotDefaults } from '../podman/service.ts';
import { mountOptions } from '../podman/volume.ts';
import type { RuntimeRules } from '../runtime.ts';
import { convertContainer } from './container.ts';
import {
  DOCKER_BUILD,
  DOCKER_CONTAINER,
  DOCKER_IMAGE,
  DOCKER_NETWORK,
  DOCKER_REASONS,
  DOCKER_VOLUME,
} from './keys.ts';
import { convertNetwork } from './network.ts';

export const DOCKER: RuntimeRules = {
  kinds: {
    container: { keys: DOCKER_CONTAINER, convert: convertContainer },
    volume: { keys: DOCKER_VOLUME, convert: convertVolume },
    network: { keys: DOCKER_NETWORK, convert: convertNetwork },
    image: { keys: DOCKER_IMAGE, convert: convertImage },
    build: { keys: DOCKER_BUILD, convert: convertBuild },
  },
  reasons: DOCKER_REASONS,
  // Not Requires=: a daemon that is restarted must not take down what it keeps running (live-restore).
  prepare: ({ service }) => {
    service.add('Unit', 'Wants', 'docker.service');
    service.add('Unit', 'After', 'docker.service');
  },
};

/** `docker volume create` leaves what is there as it is. */
function convertVolume(draft: Draft): void {
  draft.service.addCommand('ExecStart', [
    draft.host.program,
    'volume',
    'create',
    ...mountOptions(draft).flatMap((option) => ['--opt', option]),
    ...plainArguments(draft, DOCKER_VOLUME),
    resourceNameOf(draft.name, 'volume', draft.section) ?? '',
  ]);
  oneshotDefaults(draft, 'remains');
}

function convertImage(draft: Draft): void {
  const image = draft.section.text('Image') ?? '';
  if (image === '')
    draft.refuse(undefined, 'no Image key specified', "Write 'Image=' with the image's name.");
  const flags = plainArguments(draft, DOCKER_IMAGE);
  draft.service.addCommand('ExecStart', [draft.host.program, 'pull', ...flags, image]);
  oneshotDefaults(draft, 'remains');
}

function convertBuild(draft: Draft): void {
  const { section } = draft;
  if (section.all('ImageTag').length === 0)
    draft.refuse(undefined, 'no ImageTag key specified', "Write 'ImageTag=' with a name.");
  const command = [draft.host.program, 'build', ...plainArguments(draft, DOCKER_BUILD)];
  const [pull, network] = [section.last('Pull'), section.last('Network')];
  if (pull?.value === 'always') command.push('--pull');
  else if (pull !== undefined) cannot(draft, pull, "it has 'always' only");
  if (network !== undefined && /^(?:host|none|default)$/.test(network.value))
    command.push('--network', network.value);
  else if (network !== undefined) cannot(draft, network, "a build has 'host' and 'none' only");
  const { file, context } = buildSources(draft);
  if (file !== undefined) command.push('--file', file);
  if (context === undefined && file !== undefined)
    draft.refuse(
      section.last('File')?.at,
      'docker builds in a directory',
      "Write 'SetWorkingDirectory='.",
    );
  draft.service.addCommand('ExecStart', [...command, context ?? '.']);
  oneshotDefaults(draft, 'ends');
}
