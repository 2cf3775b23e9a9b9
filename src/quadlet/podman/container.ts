// `.container` for podman: the service runs `podman run` as podman's own generator has it.
// Invariant: conmon is the service's main process; no container stays behind, however the service ended.
import type { Draft } from '../draft.ts';
import { plainArguments } from '../keys.ts';
import { imageOf, noteUnknown, referredTo } from '../references.ts';
import { exposeArguments, imageFields, userArgument, warnAmbiguousImage } from '../container.ts';
import { resourceNameOf } from '../kinds.ts';
import { PODMAN_CONTAINER } from './container-keys.ts';
import { mountArguments, volumeArguments } from '../storage.ts';
import { podman, podmanArguments, runDefaults, serviceType } from './service.ts';
import { userMappings } from './users.ts';
import { networkArguments } from './network-use.ts';

export function convertContainer(draft: Draft): void {
  const { section, service } = draft;
  const { image, rootfs } = imageFields(draft);
  const imageName = image === undefined ? undefined : imageOf(draft, image.value, image.at);
  if (image !== undefined) warnAmbiguousImage(draft, image);
  const name = resourceNameOf(draft.name, 'container', section) ?? '';
  runDefaults(draft);
  stopCommands(draft, name);
  reloadCommand(draft, name);
  const command = podman(draft, 'run', '--name', name, '--replace', '--rm');
  service.add('Service', 'Delegate', 'yes');
  const cgroups = section.text('CgroupsMode') ?? '';
  command.push(...(cgroups === '' ? ['--cgroups=split'] : ['--cgroups', cgroups]));
  command.push(...networkArguments(draft), ...notifyArguments(draft));
  command.push(...securityArguments(draft), ...deviceArguments(draft));
  command.push(...plainArguments(draft, PODMAN_CONTAINER));
  const entrypoint = section.text('Entrypoint');
  if (entrypoint !== undefined) command.push(`--entrypoint=${entrypoint}`);
  if (section.boolean('VolatileTmp') === true && section.boolean('ReadOnly') !== true)
    command.push('--tmpfs', '/tmp:rw,size=512M,mode=1777');
  const user = userArgument(draft);
  if (user !== undefined) command.push('--user', user);
  command.push(...userMappings(draft, 'manual'), ...volumeArguments(draft));
  const autoUpdate = section.text('AutoUpdate') ?? '';
  if (autoUpdate !== '') command.push('--label', `io.containers.autoupdate=${autoUpdate}`);
  command.push(...exposeArguments(draft), ...environmentFiles(draft), ...mountArguments(draft));
  if (draft.isFenced) command.push('--env', 'FLEET_GENERATION');
  command.push(...podArguments(draft), ...podmanArguments(draft));
  if (imageName !== undefined) command.push(imageName);
  else if (rootfs !== undefined) command.push('--rootfs', rootfs.value);
  const exec = section.last('Exec');
  if (exec !== undefined) command.push(...draft.wordsOf(exec, 'unescape'));
  service.addCommand('ExecStart', command);
}

/** ExecStopPost= is for a conmon that was killed: systemd then leaves ExecStop= out. */
function stopCommands(draft: Draft, name: string): void {
  const remove = podman(draft, 'rm', '-v', '-f', '-i', name);
  draft.service.addCommand('ExecStop', remove);
  draft.service.addCommand('ExecStopPost', [`-${remove[0] ?? ''}`, ...remove.slice(1)]);
}

function reloadCommand(draft: Draft, name: string): void {
  const { section, service } = draft;
  const signal = section.text('ReloadSignal') ?? '';
  const command = section.last('ReloadCmd');
  const words = command === undefined ? [] : draft.wordsOf(command, 'unescape');
  if (words.length > 0 && signal !== '') {
    draft.refuse(
      command?.keyAt,
      'ReloadCmd and ReloadSignal are mutually exclusive but both are set',
      'Remove one of the two.',
    );
  } else if (words.length > 0) {
    service.addCommand('ExecReload', podman(draft, 'exec', name, ...words));
  } else if (signal !== '') {
    service.addCommand('ExecReload', podman(draft, 'kill', '--signal', signal, name));
  }
}

/** Who says that the service is up: conmon, the container itself, or its health check. */
function notifyArguments(draft: Draft): readonly string[] {
  if (serviceType(draft, ['notify', 'oneshot']) === 'oneshot') return [];
  draft.service.replace('Service', 'Type', 'notify');
  draft.service.replace('Service', 'NotifyAccess', 'all');
  const { section } = draft;
  const healthy = /^healthy$/i.test(section.text('Notify') ?? '');
  const notifier = healthy
    ? 'healthy'
    : section.boolean('Notify') === true
      ? 'container'
      : 'conmon';
  return [`--sdnotify=${notifier}`, '-d'];
}

function securityArguments(draft: Draft): readonly string[] {
  const { section } = draft;
  const options: string[] = [];
  if (section.boolean('SecurityLabelDisable') === true) options.push('label=disable');
  if (section.boolean('SecurityLabelNested') === true) options.push('label=nested');
  for (const [key, option] of LABELS) {
    const text = section.text(key) ?? '';
    if (text !== '') options.push(`${option}${text}`);
  }
  const seccomp = section.text('SeccompProfile');
  if (seccomp !== undefined) options.push(`seccomp=${seccomp}`);
  const appArmor = section.text('AppArmor') ?? '';
  if (appArmor !== '') options.push(`apparmor=${appArmor}`);
  options.push(...draft.arguments('Mask').map((paths) => `mask=${paths}`));
  options.push(...draft.arguments('Unmask').map((paths) => `unmask=${paths}`));
  const words = options.flatMap((option) => ['--security-opt', option]);
  if (section.boolean('NoNewPrivileges') === true)
    words.unshift('--security-opt=no-new-privileges');
  return words;
}

const LABELS = [
  ['SecurityLabelType', 'label=type:'],
  ['SecurityLabelFileType', 'label=filetype:'],
  ['SecurityLabelLevel', 'label=level:'],
] as const;

/** A '-' before a device: only where the host has it. */
function deviceArguments(draft: Draft): readonly string[] {
  return draft.words('AddDevice').flatMap((device) => {
    if (!device.startsWith('-')) return ['--device', device];
    const path = device.slice(1).split(':')[0] ?? '';
    return draft.host.devices.has(path) ? ['--device', device.slice(1)] : [];
  });
}

function environmentFiles(draft: Draft): readonly string[] {
  return draft.section.all('EnvironmentFile').flatMap((assignment) =>
    draft.wordsOf(assignment, 'unescape').flatMap((word) => {
      const mayBeMissing = word.startsWith('-');
      const path = draft.path(assignment, mayBeMissing ? word.slice(1) : word);
      return ['--env-file', mayBeMissing ? `-${path}` : path];
    }),
  );
}

function podArguments(draft: Draft): readonly string[] {
  const { section, service } = draft;
  const pod = section.last('Pod');
  const name = section.text('Pod') ?? '';
  if (name === '') return [];
  if (!name.endsWith('.pod')) {
    draft.refuse(pod?.at, `pod ${name} is not Quadlet based`, "Name a '.pod' file of the cluster.");
    return [];
  }
  const { service: podService, resource = '' } = referredTo(draft, name, 'pod');
  noteUnknown(draft, name, pod?.at);
  service.add('Unit', 'BindsTo', podService);
  service.add('Unit', 'After', podService);
  // podman's generator has the pod want its containers; here each container joins by itself.
  if (section.boolean('StartWithPod') ?? true) service.add('Install', 'WantedBy', podService);
  return ['--pod', resource];
}
