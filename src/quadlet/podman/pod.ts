// `.pod` for podman: the pod's infra container is the service's process.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { volumeArguments } from '../storage.ts';
import { networkArguments } from './network-use.ts';
import { podman, podmanArguments } from './service.ts';
import { userMappings } from './users.ts';

export const PODMAN_POD: KeyRules = {
  PublishPort: ['texts', '--publish'],
  Label: ['pairs', '--label'],
  IP: ['text', '--ip'],
  IP6: ['text', '--ip6'],
  ShmSize: ['text', '--shm-size'],
  NetworkAlias: ['texts', '--network-alias'],
  DNS: ['texts', '--dns'],
  DNSOption: ['texts', '--dns-option'],
  DNSSearch: ['texts', '--dns-search'],
  AddHost: ['texts', '--add-host'],
  HostName: ['text', '--hostname'],
  ContainersConfModule: ['own'],
  ExitPolicy: ['own'],
  GIDMap: ['own'],
  GlobalArgs: ['own'],
  Network: ['own'],
  PodName: ['own'],
  PodmanArgs: ['own'],
  RemapGid: ['own'],
  RemapUid: ['own'],
  RemapUidSize: ['own'],
  RemapUsers: ['own'],
  ServiceName: ['own'],
  StopTimeout: ['own'],
  SubGIDMap: ['own'],
  SubUIDMap: ['own'],
  UIDMap: ['own'],
  UserNS: ['own'],
  Volume: ['own'],
};

/** seconds that podman gives the containers of a pod to stop. */
const STOP_TIMEOUT_SEC = '10';

export function convertPod(draft: Draft): void {
  const { section, service } = draft;
  const name = resourceNameOf(draft.name, 'pod', section) ?? '';
  const create = podman(draft, 'pod', 'create', '--infra-conmon-pidfile=%t/%N.pid', '--replace');
  create.push('--exit-policy', section.text('ExitPolicy') ?? 'stop');
  create.push(...userMappings(draft, 'manual'), ...plainArguments(draft, PODMAN_POD));
  create.push(...networkArguments(draft), ...volumeArguments(draft));
  create.push('--infra-name', `${name}-infra`, '--name', name, ...podmanArguments(draft));
  const timeout = section.text('StopTimeout') ?? STOP_TIMEOUT_SEC;
  service.addCommand('ExecStartPre', create);
  service.addCommand('ExecStart', podman(draft, 'pod', 'start', name));
  service.addCommand(
    'ExecStop',
    podman(draft, 'pod', 'stop', '--ignore', `--time=${timeout}`, name),
  );
  service.addCommand('ExecStopPost', podman(draft, 'pod', 'rm', '--ignore', '--force', name));
  service.add('Service', 'Environment', 'PODMAN_SYSTEMD_UNIT=%n');
  service.setDefault('Service', 'SyslogIdentifier', '%N');
  service.replace('Service', 'Type', 'forking');
  service.setDefault('Service', 'Restart', 'on-failure');
  service.replace('Service', 'PIDFile', '%t/%N.pid');
}
