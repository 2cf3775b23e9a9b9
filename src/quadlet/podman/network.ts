// `.network` for podman.
import type { Draft } from '../draft.ts';
import type { KeyRules } from '../keys.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { subnetArguments } from '../subnets.ts';
import { createOnce, oneshotDefaults, podman, podmanArguments } from './service.ts';

export const PODMAN_NETWORK: KeyRules = {
  DisableDNS: ['boolean', '--disable-dns'],
  Internal: ['boolean', '--internal'],
  IPv6: ['boolean', '--ipv6'],
  Driver: ['text', '--driver'],
  IPAMDriver: ['text', '--ipam-driver'],
  InterfaceName: ['text', '--interface-name'],
  DNS: ['texts', '--dns'],
  Options: ['pairs', '--opt'],
  Label: ['pairs', '--label'],
  ContainersConfModule: ['own'],
  Gateway: ['own'],
  GlobalArgs: ['own'],
  IPRange: ['own'],
  NetworkDeleteOnStop: ['own'],
  NetworkName: ['own'],
  PodmanArgs: ['own'],
  ServiceName: ['own'],
  Subnet: ['own'],
};

export function convertNetwork(draft: Draft): void {
  const name = resourceNameOf(draft.name, 'network', draft.section) ?? '';
  if (draft.section.boolean('NetworkDeleteOnStop') === true)
    draft.service.addCommand('ExecStopPost', podman(draft, 'network', 'rm', name));
  const words = [...plainArguments(draft, PODMAN_NETWORK), ...subnetArguments(draft)];
  words.push(...podmanArguments(draft));
  draft.service.addCommand('ExecStart', createOnce(draft, 'network', words, name));
  oneshotDefaults(draft, 'remains');
}
