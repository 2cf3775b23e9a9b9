// `.container` for docker: the service runs `docker run` in the foreground, so that its output is the journal's and its end is the service's.
// Invariant: the container has one name for the service, and is removed before a start and after an end, also one by a power cut.
import { cannot } from '../check-keys.ts';
import { exposeArguments, imageFields, userArgument } from '../container.ts';
import type { Draft } from '../draft.ts';
import { plainArguments } from '../keys.ts';
import { resourceNameOf } from '../kinds.ts';
import { imageOf } from '../references.ts';
import { volumeArguments } from '../storage.ts';
import { DOCKER_CONTAINER } from './keys.ts';
import { checkVolumes, dockerMounts } from './mounts.ts';
import { dockerNetwork } from './network.ts';
import { serviceType } from '../podman/service.ts';

export function convertContainer(draft: Draft): void {
  const { section, service, host } = draft;
  const { image } = imageFields(draft);
  const imageName = image === undefined ? '' : imageOf(draft, image.value, image.at);
  const name = resourceNameOf(draft.name, 'container', section) ?? '';
  const [remove, run] = [
    [`-${host.program}`, 'rm', '-f', '-v', name],
    [host.program, 'run'],
  ];
  // docker says nothing to systemd: the service is up when its client has begun.
  if (serviceType(draft, ['simple', 'exec', 'oneshot']) === undefined)
    service.add('Service', 'Type', 'exec');
  service.setDefault('Service', 'SyslogIdentifier', '%N');
  service.setDefault('Service', 'KillMode', 'mixed');
  // Ended by SIGTERM, as asked. 137 is left a failure: it is also what a container has that ran out of memory.
  service.setDefault('Service', 'SuccessExitStatus', '143');
  service.addCommand('ExecStartPre', remove);
  service.addCommand('ExecStop', [`-${host.program}`, 'stop', name]);
  service.addCommand('ExecStopPost', remove);
  reloadCommand(draft, name);
  run.push('--name', name, '--rm', ...plainArguments(draft, DOCKER_CONTAINER));
  run.push(...dockerNetwork(draft), ...options(draft), ...securityArguments(draft));
  run.push(...readOnlyArguments(draft), ...exposeArguments(draft), ...fileArguments(draft));
  if (draft.isFenced) run.push('--env', 'FLEET_GENERATION');
  checkVolumes(draft);
  run.push(...volumeArguments(draft), ...dockerMounts(draft), imageName);
  const exec = section.last('Exec');
  if (exec !== undefined) run.push(...draft.wordsOf(exec, 'unescape'));
  service.addCommand('ExecStart', run);
}

function reloadCommand(draft: Draft, name: string): void {
  const { section, service, host } = draft;
  const signal = section.text('ReloadSignal') ?? '';
  const command = section.last('ReloadCmd');
  const words = command === undefined ? [] : draft.wordsOf(command, 'unescape');
  if (words.length > 0 && signal !== '') {
    const message = 'ReloadCmd and ReloadSignal are mutually exclusive but both are set';
    draft.refuse(command?.keyAt, message, 'Remove one of the two.');
  } else if (words.length > 0) {
    service.addCommand('ExecReload', [host.program, 'exec', name, ...words]);
  } else if (signal !== '') {
    service.addCommand('ExecReload', [host.program, 'kill', '--signal', signal, name]);
  }
}

/** Refuses the key where its value is one that only podman knows. */
function only(draft: Draft, key: string, known: RegExp, reason: string): string {
  const text = draft.section.text(key) ?? '';
  const last = draft.section.last(key);
  if (last !== undefined && text !== '' && !known.test(text)) cannot(draft, last, reason);
  return text;
}

/** Keys whose values the two runtimes share in part. */
function options(draft: Draft): readonly string[] {
  const { section } = draft;
  const words: string[] = [];
  const driver = only(
    draft,
    'LogDriver',
    /^(?!passthrough|k8s-file)/,
    "'json-file', 'journald' and 'none' are drivers of both",
  );
  if (driver !== '') words.push('--log-driver', driver);
  const pull = only(
    draft,
    'Pull',
    /^(?:always|missing|never)$/,
    "it has 'always', 'missing', 'never'",
  );
  if (pull !== '') words.push('--pull', pull);
  const entrypoint = only(draft, 'Entrypoint', /^[^[\s][^\s]*$/, 'its entry point is one word');
  if (section.text('Entrypoint') !== undefined) words.push(`--entrypoint=${entrypoint}`);
  only(draft, 'Notify', /^(?:0|no|false|off)$/i, 'it passes no notifications on to systemd');
  for (const each of section.all('GroupAdd')) {
    if (each.value === 'keep-groups') cannot(draft, each, "'keep-groups' is podman's");
    words.push('--group-add', each.value);
  }
  for (const each of section.all('Ulimit')) {
    if (each.value === 'host') cannot(draft, each, "'host' is podman's");
    words.push('--ulimit', each.value);
  }
  const user = userArgument(draft);
  return user === undefined ? words : [...words, '--user', user];
}

function securityArguments(draft: Draft): readonly string[] {
  const { section } = draft;
  const options: string[] = [];
  if (section.boolean('NoNewPrivileges') === true) options.push('no-new-privileges');
  if (section.boolean('SecurityLabelDisable') === true) options.push('label=disable');
  for (const [key, option] of OPTIONS) {
    const text = section.text(key) ?? '';
    if (text !== '') options.push(option + text);
  }
  return options.flatMap((option) => ['--security-opt', option]);
}

const OPTIONS = [
  ['SecurityLabelType', 'label=type:'],
  ['SecurityLabelLevel', 'label=level:'],
  ['SeccompProfile', 'seccomp='],
  ['AppArmor', 'apparmor='],
] as const;

/** With a root that cannot be written, podman gives these directories a tmpfs unless told not to. */
const WRITABLE = ['/run', '/tmp', '/var/tmp'];

function readOnlyArguments(draft: Draft): readonly string[] {
  const { section } = draft;
  if (section.boolean('ReadOnly') !== true) {
    if (section.boolean('VolatileTmp') !== true) return [];
    return ['--tmpfs', '/tmp:rw,size=512M,mode=1777'];
  }
  if (section.boolean('ReadOnlyTmpfs') === false) return ['--read-only'];
  const given = section.all('Tmpfs').map(({ value }) => value.split(':')[0]);
  const directories = WRITABLE.filter((directory) => !given.includes(directory));
  return ['--read-only', ...directories.flatMap((directory) => ['--tmpfs', directory])];
}

function fileArguments(draft: Draft): readonly string[] {
  const devices = draft.words('AddDevice').flatMap((device) => {
    if (!device.startsWith('-')) return ['--device', device];
    const path = device.slice(1).split(':')[0] ?? '';
    return draft.host.devices.has(path) ? ['--device', device.slice(1)] : [];
  });
  const environments = draft.section.all('EnvironmentFile').flatMap((each) =>
    draft.wordsOf(each, 'unescape').flatMap((word) => {
      if (word.startsWith('-')) cannot(draft, each, 'a file of variables must be there');
      return ['--env-file', draft.path(each, word)];
    }),
  );
  return [...devices, ...environments];
}
