// podman: every kind and every key, since both are podman's own.
import type { QuadletType } from '../../unitfile/name.ts';
import type { RuntimeRules } from '../runtime.ts';
import { convertBuild, PODMAN_BUILD } from './build.ts';
import { convertContainer } from './container.ts';
import { PODMAN_CONTAINER } from './container-keys.ts';
import { convertArtifact, convertImage, PODMAN_ARTIFACT, PODMAN_IMAGE } from './image.ts';
import { convertKube, PODMAN_KUBE } from './kube.ts';
import { convertNetwork, PODMAN_NETWORK } from './network.ts';
import { convertPod, PODMAN_POD } from './pod.ts';
import { convertVolume, PODMAN_VOLUME } from './volume.ts';
import type { KindConverter } from '../runtime.ts';

export const PODMAN_KINDS: Readonly<Record<QuadletType, KindConverter>> = {
  container: { keys: PODMAN_CONTAINER, convert: convertContainer },
  volume: { keys: PODMAN_VOLUME, convert: convertVolume },
  network: { keys: PODMAN_NETWORK, convert: convertNetwork },
  pod: { keys: PODMAN_POD, convert: convertPod },
  build: { keys: PODMAN_BUILD, convert: convertBuild },
  image: { keys: PODMAN_IMAGE, convert: convertImage },
  kube: { keys: PODMAN_KUBE, convert: convertKube },
  artifact: { keys: PODMAN_ARTIFACT, convert: convertArtifact },
};

export const PODMAN: RuntimeRules = {
  kinds: PODMAN_KINDS,
  reasons: {},
  // podman keeps what it knows of running containers there.
  prepare: (draft) => draft.service.add('Unit', 'RequiresMountsFor', '%t/containers'),
};
