// `.kube` for podman: pods as a Kubernetes file has them.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { setWorkingDirectory } from '../working-directory.ts';
import { networkArguments } from './network-use.ts';
import { podman, podmanArguments, runDefaults, serviceType } from './service.ts';
import { userMappings } from './users.ts';

export const PODMAN_KUBE: KeyRules = {
  LogDriver: ['text', '--log-driver'],
  LogOpt: ['words', '--log-opt'],
  PublishPort: ['texts', '--publish'],
  AutoUpdate: ['own'],
  ConfigMap: ['own'],
  ContainersConfModule: ['own'],
  ExitCodePropagation: ['own'],
  GlobalArgs: ['own'],
  KubeDownForce: ['own'],
  Network: ['own'],
  PodmanArgs: ['own'],
  RemapGid: ['own'],
  RemapUid: ['own'],
  RemapUidSize: ['own'],
  RemapUsers: ['own'],
  ServiceName: ['own'],
  SetWorkingDirectory: ['own'],
  UserNS: ['own'],
  Yaml: ['own'],
};

export function convertKube(draft: Draft): void {
  const { section, service } = draft;
  const yaml = section
    .all('Yaml')
    .flatMap((each) => draft.wordsOf(each, 'unescape').map((path) => draft.path(each, path)));
  if (yaml.length === 0)
    draft.refuse(undefined, 'no Yaml key specified', "Write 'Yaml=' with the file's path.");
  runDefaults(draft);
  if (serviceType(draft, ['notify', 'oneshot']) !== 'oneshot') {
    service.replace('Service', 'Type', 'notify');
    service.replace('Service', 'NotifyAccess', 'all');
  }
  const start = podman(draft, 'kube', 'play', '--replace', '--service-container=true');
  const propagation = section.text('ExitCodePropagation') ?? '';
  if (propagation !== '') start.push(`--service-exit-code-propagation=${propagation}`);
  start.push(...plainArguments(draft, PODMAN_KUBE), ...userMappings(draft, 'no manual'));
  start.push(...networkArguments(draft), ...autoUpdates(draft), ...configMaps(draft));
  service.addCommand('ExecStart', [...start, ...podmanArguments(draft), ...yaml]);
  const force = section.boolean('KubeDownForce');
  const forced = force === undefined ? [] : [force ? '--force' : '--force=false'];
  // Also after a failed start: else pods stay behind.
  service.addCommand('ExecStopPost', [...podman(draft, 'kube', 'down'), ...forced, ...yaml]);
  setWorkingDirectory(draft, 'Yaml');
}

/** `registry`, or `CONTAINER/registry` for one container of the pod. */
function autoUpdates(draft: Draft): readonly string[] {
  return draft.words('AutoUpdate').flatMap((word) => {
    const slash = word.indexOf('/');
    const container = slash === -1 ? '' : `/${word.slice(0, slash)}`;
    return ['--annotation', `io.containers.autoupdate${container}=${word.slice(slash + 1)}`];
  });
}

function configMaps(draft: Draft): readonly string[] {
  return draft.section
    .all('ConfigMap')
    .flatMap((each) => draft.wordsOf(each, 'retain').map((path) => draft.path(each, path)))
    .flatMap((path) => ['--configmap', path]);
}
