// The options of fleetctl as data: names and defaults are those of fleet 1.0.
import type { OptionForm } from './arguments.ts';

export interface OptionDefinition extends OptionForm {
  /** One letter. */
  readonly short?: string;
  /** What stands for the value in help. */
  readonly value?: string;
  readonly description: string;
  readonly initial?: string | number | boolean;
  /** Accepted, and not shown in help. */
  readonly hidden?: 'ignored';
}

export const DEFAULT_ENDPOINT = 'unix:///var/run/fleet.sock';

/** The options of every command. */
export const globalOptions: readonly OptionDefinition[] = [
  {
    name: 'endpoint',
    kind: 'text',
    value: 'URL[,URL…]',
    description:
      'API of fleetd: unix:///PATH, http:// or https://HOST:PORT; the first that can be reached',
    initial: DEFAULT_ENDPOINT,
  },
  number('request-timeout', 'SECONDS', 'for one answer of the API; 0: no bound', 3),
  number('ssh-timeout', 'SECONDS', 'for an SSH connection', 10),
  {
    name: 'ssh-username',
    kind: 'text',
    value: 'NAME',
    description: 'user on the far side of SSH',
    initial: 'core',
  },
  {
    name: 'strict-host-key-checking',
    kind: 'switch',
    value: 'BOOL',
    description: 'check the keys of SSH hosts',
    initial: true,
  },
  {
    name: 'known-hosts-file',
    kind: 'text',
    value: 'FILE',
    description: 'keys of SSH hosts',
    initial: '~/.fleetctl/known_hosts',
  },
  {
    name: 'tunnel',
    kind: 'text',
    value: 'HOST[:PORT]',
    description: 'reach the API, and all machines, through SSH to that host',
  },
  {
    name: 'driver',
    kind: 'text',
    value: 'API|etcd',
    description:
      'speak with fleetd, or with the store itself: --endpoint is then that of etcd (`http://127.0.0.1:2379`)',
    initial: 'API',
  },
  {
    name: 'etcd-key-prefix',
    kind: 'text',
    value: 'PREFIX',
    description: 'where the fleet lies in etcd, for --driver=etcd',
    initial: '/_coreos.com/fleet/',
  },
  file('ca-file', 'PEM: whom to trust, of an API by https:// or of etcd'),
  file('cert-file', 'PEM: our certificate'),
  file('key-file', 'PEM: its key'),
  flag('debug', 'print requests and commands as they are made, and with a failure its causes'),
  { ...flag('experimental-api', ''), hidden: 'ignored' },
  ...['etcd-keyfile', 'etcd-certfile', 'etcd-cafile'].map(
    (name) => ({ ...file(name, ''), hidden: 'ignored' }) as const,
  ),
];

/** Of what waits. */
export const waitOptions: readonly OptionDefinition[] = [
  number('block-attempts', 'N', 'give up after so many attempts of 2 s; 0: never', 0),
  number('timeout', 'SECONDS', 'give up after so long; 0: never', 0),
];

/** Of what may also not wait. */
export const blockOptions: readonly OptionDefinition[] = [
  flag('no-block', 'ask only, do not wait'),
  ...waitOptions,
];

/** Of what takes files. */
export const fileOptions: readonly OptionDefinition[] = [
  flag('replace', 'replace a unit that exists in another version'),
  { ...flag('sign', ''), hidden: 'ignored' },
];

/** `--json`. */
export const jsonOption: OptionDefinition = flag('json', "print the API's own shape");

/** Of `cat`. */
export const generatedOption: OptionDefinition = flag(
  'generated',
  'the service that a Quadlet file becomes',
);

/** Of a listing with these columns. */
export function listOptions(fields: string): readonly OptionDefinition[] {
  return [
    { ...flag('full', 'do not shorten ids and hashes'), short: 'l' },
    flag('no-legend', 'no header line'),
    {
      name: 'fields',
      kind: 'text',
      value: 'FIELDS',
      description: `columns, separated by commas: ${fields}`,
    },
    jsonOption,
  ];
}

/** `--ssh-port`. */
export const sshPortOption: OptionDefinition = number('ssh-port', 'PORT', 'port of SSH');

/** Of `ssh`. */
export const sshOptions: readonly OptionDefinition[] = [
  { ...flag('forward-agent', 'forward the SSH agent'), short: 'A' },
  {
    name: 'machine',
    kind: 'text',
    value: 'ID',
    description: 'the machine, or what its id begins with',
  },
  { name: 'unit', kind: 'text', value: 'NAME', description: 'the unit whose machine it is to be' },
  sshPortOption,
];

/** Of `load-image`. */
export const loadImageOptions: readonly OptionDefinition[] = [
  {
    name: 'runtime',
    kind: 'text',
    value: 'podman|docker',
    description: 'only to that one; else to each that a machine has',
  },
  sshPortOption,
];

/** Of `adopt`. */
export const adoptOptions: readonly OptionDefinition[] = [
  {
    name: 'machine',
    kind: 'text',
    value: 'ID',
    description:
      'the machine that keeps it, or what its id begins with, where several run it; the others stop it',
  },
];

/** Of `status`: scripts give it what only others have. */
export const statusOptions: readonly OptionDefinition[] = [
  sshPortOption,
  { ...flag('no-block', ''), hidden: 'ignored' },
];

/** Of `journal`. */
export const journalOptions: readonly OptionDefinition[] = [
  { ...number('lines', 'N', 'so many lines', 10), short: 'n' },
  { ...flag('follow', 'go on with new lines'), short: 'f' },
  {
    name: 'output',
    kind: 'text',
    value: 'FORMAT',
    description: "journalctl's output format",
    initial: 'short',
  },
  flag('sudo', 'run journalctl by sudo'),
  sshPortOption,
];

/** Of `provision`. */
export const provisionOptions: readonly OptionDefinition[] = [
  {
    name: 'format',
    kind: 'text',
    value: 'FORMAT',
    description: 'cloud-config, ignition or cloud-init',
    initial: 'cloud-config',
  },
  {
    name: 'metadata',
    kind: 'text',
    value: 'LIST',
    description: 'what the host is, for MachineMetadata=: `role=web,disk=ssd`',
  },
  { name: 'etcd', kind: 'text', value: 'URL[,URL…]', description: 'where etcd is' },
  { name: 'hostname', kind: 'text', value: 'NAME', description: 'the name of the host' },
  {
    name: 'ssh-key',
    kind: 'text',
    value: 'FILE|KEY',
    description: 'public keys of SSH that open the user `core` there',
  },
  {
    name: 'unit',
    kind: 'text',
    value: 'FILE[,FILE…]',
    description: 'unit files to submit to the cluster once it is up',
  },
];

function flag(name: string, description: string): OptionDefinition {
  return { name, kind: 'flag', description };
}

function number(
  name: string,
  value: string,
  description: string,
  initial?: number,
): OptionDefinition {
  const option: OptionDefinition = { name, kind: 'number', value, description };
  return initial === undefined ? option : { ...option, initial };
}

function file(name: string, description: string): OptionDefinition {
  return { name, kind: 'text', value: 'FILE', description };
}
