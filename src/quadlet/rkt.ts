// `.container` for rkt 1.30, the last one: what of it rkt has words for. A pod of one app, known by a file that has its id.
// Invariant: the pod is removed before a start and after an end, also one by a power cut.
import { quadletTypeOf } from '../unitfile/quadlet-name.ts';
import { cannot } from './check-keys.ts';
import { imageFields } from './container.ts';
import type { Draft } from './draft.ts';
import type { KeyRules } from './keys.ts';
import { plainArguments } from './keys.ts';
import { serviceType } from './podman/service.ts';
import type { RuntimeRules } from './runtime.ts';

/** Options of the pod; of the app below. */
const RKT_POD: KeyRules = {
  DNS: ['texts', '--dns'],
  DNSOption: ['texts', '--dns-opt'],
  DNSSearch: ['texts', '--dns-search'],
  HostName: ['text', '--hostname'],
  EnvironmentHost: ['own'],
  Environment: ['own'],
  EnvironmentFile: ['own'],
  Network: ['own'],
  Pull: ['own'],
  Volume: ['own'],
  ServiceName: ['own'],
  Image: ['own'],
  Entrypoint: ['own'],
  Exec: ['own'],
};

const RKT_APP: KeyRules = {
  User: ['text', '--user'],
  Group: ['text', '--group'],
  WorkingDir: ['text', '--working-dir'],
  Memory: ['text', '--memory'],
  Label: ['pairs', '--user-label'],
  Annotation: ['pairs', '--user-annotation'],
  ReadOnly: ['boolean', '--readonly-rootfs'],
};

export const RKT: RuntimeRules = {
  kinds: { container: { keys: { ...RKT_POD, ...RKT_APP }, convert: convertContainer } },
  reasons: {
    AddCapability: 'it takes the whole set of capabilities only',
    ContainerName: 'its pods are known by their ids',
    DropCapability: 'it takes the whole set of capabilities only',
    HealthCmd: 'it has no health checks',
    Notify: 'its notifications come from the systemd inside the pod',
    Pod: 'a Quadlet pod is one of podman',
    PodmanArgs: 'they are arguments of podman',
    PublishPort: "it publishes ports by the names that the image's manifest gives them",
    Rootfs: 'it runs images only',
  },
  prepare: () => undefined,
};

const UUID_FILE = '%t/%N.rkt';

function convertContainer(draft: Draft): void {
  const { service, host, section } = draft;
  const { image } = imageFields(draft);
  const source = image?.value ?? '';
  if (image !== undefined && quadletTypeOf(source) !== undefined)
    cannot(draft, image, `'${source}' is a file of podman`);
  if (serviceType(draft, ['simple', 'exec', 'oneshot']) === undefined)
    service.add('Service', 'Type', 'exec');
  service.setDefault('Service', 'SyslogIdentifier', '%N');
  service.setDefault('Service', 'KillMode', 'mixed');
  service.setDefault('Service', 'Delegate', 'yes'); // the pod's cgroups are below the service's
  const program = `-${host.program}`;
  const remove = [program, 'rm', `--uuid-file=${UUID_FILE}`];
  service.addCommand('ExecStartPre', remove);
  service.addCommand('ExecStop', [program, 'stop', `--uuid-file=${UUID_FILE}`]);
  service.addCommand('ExecStopPost', remove);
  // Docker images are not signed as rkt has it.
  const docker = !/^[a-z]+:\/\//.test(source) || source.startsWith('docker://');
  const run = [host.program, ...(docker ? ['--insecure-options=image'] : []), 'run'];
  run.push(`--uuid-file-save=${UUID_FILE}`, ...plainArguments(draft, RKT_POD));
  run.push(...environment(draft), ...networkAndPull(draft), ...volumes(draft));
  run.push(docker && !source.startsWith('docker://') ? `docker://${source}` : source);
  run.push(...plainArguments(draft, RKT_APP));
  const entrypoint = section.text('Entrypoint') ?? '';
  const exec = section.last('Exec');
  if (entrypoint !== '') run.push('--exec', entrypoint);
  // rkt has the image's entry point and command as one, and adds arguments behind both.
  else if (exec !== undefined)
    cannot(draft, exec, "it cannot replace an image's command alone: write 'Entrypoint=' too");
  if (exec !== undefined) run.push('--', ...draft.wordsOf(exec, 'unescape'));
  service.addCommand('ExecStart', run);
}

function environment(draft: Draft): readonly string[] {
  const words: string[] = [];
  // systemd puts the value in: rkt takes no name alone.
  if (draft.isFenced) words.push('--set-env=FLEET_GENERATION=${FLEET_GENERATION}');
  if (draft.section.boolean('EnvironmentHost') === true) words.push('--inherit-env');
  for (const [key, value] of draft.pairs('Environment')) {
    const last = draft.section.last('Environment');
    if (value !== undefined) words.push(`--set-env=${key}=${value}`);
    else if (last !== undefined) cannot(draft, last, `'${key}' has no value of its own`);
  }
  for (const each of draft.section.all('EnvironmentFile')) {
    if (each.value.startsWith('-')) cannot(draft, each, 'a file of variables must be there');
    else words.push(`--set-env-file=${draft.path(each, each.value)}`);
  }
  return words;
}

const PULL: Readonly<Record<string, string>> = { always: 'update', missing: 'new', never: 'never' };

function networkAndPull(draft: Draft): readonly string[] {
  const words: string[] = [];
  for (const each of draft.section.all('Network')) {
    if (each.value.includes(':') || quadletTypeOf(each.value) !== undefined)
      cannot(draft, each, 'it has networks of CNI, by their names, and no options to them');
    words.push(`--net=${each.value}`);
  }
  const pull = draft.section.last('Pull');
  if (pull === undefined) return words;
  const policy = PULL[pull.value];
  if (policy === undefined) cannot(draft, pull, "it has 'always', 'missing', 'never'");
  return [...words, `--pull-policy=${policy ?? ''}`];
}

/** Paths of the host only: rkt's other volumes live no longer than the pod. */
function volumes(draft: Draft): readonly string[] {
  return draft.section.all('Volume').flatMap((each, index) => {
    const [source = '', target, options, ...more] = each.value.split(':');
    const readOnly = options === 'ro';
    if (target === undefined || !/^[/%.]/.test(source) || more.length > 0)
      cannot(draft, each, 'it keeps data on paths of the host only');
    else if (options !== undefined && !/^(?:ro|rw)$/.test(options))
      cannot(draft, each, `it has no option '${options}' of a volume`);
    const path = draft.path(each, source);
    if (path.startsWith('/')) draft.service.addWord('Unit', 'RequiresMountsFor', path);
    const name = `volume-${index}`;
    return [
      `--volume=${name},kind=host,source=${path},readOnly=${String(readOnly)}`,
      `--mount=volume=${name},target=${target ?? ''}`,
    ];
  });
}
