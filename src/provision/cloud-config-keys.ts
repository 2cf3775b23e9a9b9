// The keys of CoreOS's cloud-config as a schema: what is taken, and what is known and not carried out.
// Invariant: keys are written with '_' here; a file may write '-' as well, as CoreOS had it.
import { CONFIG_KEYS } from '../model/config-keys.ts';
import { z } from 'zod';
import { keyed, type NotTaken } from './check-tree.ts';
import {
  accountField,
  dropInField,
  hostnameField,
  hostUnitField,
  lineField,
  passwdField,
  passwordHashField,
  pathField,
  sshKeyField,
  textLike,
} from './fields.ts';
import { UNIT_COMMANDS } from './plan.ts';

/** Options of etcd 2 that etcd 3.4 still reads from ETCD_<KEY>. */
const ETCD_KEYS = [
  'advertise_client_urls',
  'auto_compaction_retention',
  'ca_file',
  'cert_file',
  'client_cert_auth',
  'cors',
  'data_dir',
  'debug',
  'discovery',
  'discovery_fallback',
  'discovery_proxy',
  'discovery_srv',
  'election_timeout',
  'enable_pprof',
  'enable_v2',
  'force_new_cluster',
  'heartbeat_interval',
  'initial_advertise_peer_urls',
  'initial_cluster',
  'initial_cluster_state',
  'initial_cluster_token',
  'key_file',
  'listen_client_urls',
  'listen_peer_urls',
  'log_package_levels',
  'max_snapshots',
  'max_wals',
  'name',
  'peer_ca_file',
  'peer_cert_file',
  'peer_client_cert_auth',
  'peer_key_file',
  'peer_trusted_ca_file',
  'proxy',
  'proxy_dial_timeout',
  'proxy_failure_wait',
  'proxy_read_timeout',
  'proxy_refresh_interval',
  'proxy_write_timeout',
  'quota_backend_bytes',
  'snapshot_count',
  'strict_reconfig_check',
  'trusted_ca_file',
  'wal_dir',
] as const;

const flagField = z
  .enum(['true', 'false', 'yes', 'no', 'on', 'off', ''], { error: 'must be true or false' })
  .transform((word) => ['true', 'yes', 'on'].includes(word));

/** A list that may be there without an entry. */
function list<S extends z.ZodType>(each: S) {
  return z.preprocess(noneWhereEmpty, z.array(each).optional());
}

function noneWhereEmpty(value: unknown): unknown {
  return value === '' ? undefined : value;
}

const modeField = textLike(/^(0o?)?[0-7]{3,4}$/, 'must be an octal mode, such as 0644').transform(
  (text) => Number.parseInt(text.replace('o', ''), 8),
);

const ownerField = textLike(
  /^[0-9a-z_][0-9a-z_.-]*(:[0-9a-z_][0-9a-z_.-]*)?$/i,
  "must be 'user' or 'user:group'",
);

/** `base64`, `gzip` and both, in CoreOS's spellings. */
const encodingField = z
  .enum(
    [
      '',
      'text/plain',
      'b64',
      'base64',
      'gz',
      'gzip',
      'gz+b64',
      'gz+base64',
      'gzip+b64',
      'gzip+base64',
    ],
    { error: 'must be base64, gzip or gzip+base64' },
  )
  .transform((word) => ({ base64: word.endsWith('64'), gzip: word.startsWith('gz') }));

const unitField = keyed({
  name: hostUnitField,
  content: z.string().optional(),
  command: z
    .enum(UNIT_COMMANDS, { error: `must be one of ${UNIT_COMMANDS.join(', ')}` })
    .optional(),
  enable: flagField.optional(),
  mask: flagField.optional(),
  runtime: flagField.optional(),
  drop_ins: list(keyed({ name: dropInField, content: z.string() })),
});

const userField = keyed({
  name: accountField,
  passwd: passwordHashField.optional(),
  homedir: pathField.optional(),
  no_create_home: flagField.optional(),
  primary_group: accountField.optional(),
  groups: list(accountField),
  no_user_group: flagField.optional(),
  ssh_authorized_keys: list(sshKeyField),
  system: flagField.optional(),
  no_log_init: flagField.optional(),
  shell: pathField.optional(),
  gecos: passwdField.optional(),
});

const writeFileField = keyed({
  path: pathField,
  content: z.string().optional(),
  encoding: encodingField.optional(),
  permissions: modeField.optional(),
  owner: ownerField.optional(),
});

/** What becomes of a unit that is submitted to the cluster: the commands of fleetctl. */
const submitField = z
  .enum(['start', 'load', 'submit'], { error: 'must be start, load or submit' })
  .default('start');

/** The whole file. */
export const cloudConfigSchema = z.preprocess(
  (value) => (value === '' || value === null ? {} : value),
  keyed({
    hostname: hostnameField.optional(),
    ssh_authorized_keys: list(sshKeyField),
    users: list(userField),
    write_files: list(writeFileField),
    coreos: z.preprocess(
      noneWhereEmpty,
      keyed({
        fleet: z.preprocess(noneWhereEmpty, optionalLines(CONFIG_KEYS)).optional(),
        etcd2: z.preprocess(noneWhereEmpty, optionalLines(ETCD_KEYS)).optional(),
        units: list(unitField),
      }).optional(),
    ),
    fleet: z.preprocess(
      noneWhereEmpty,
      keyed({
        units: list(
          keyed({ name: z.string(), content: z.string().optional(), command: submitField }),
        ),
      }).optional(),
    ),
  }),
);

export type CloudConfig = z.output<typeof cloudConfigSchema>;

function optionalLines<K extends string>(keys: readonly K[]) {
  return keyed(
    Object.fromEntries(keys.map((key) => [key, lineField.optional()])) as Record<
      K,
      z.ZodOptional<z.ZodString>
    >,
  ).optional();
}

const CLOUD_INIT = "it is cloud-init's, and CoreOS did not know it";
const UPDATES = "fleet does not update the host's system; use the tools of its distribution";

/** Keys that CoreOS or cloud-init have and fleet has not. */
export const CLOUD_CONFIG_NOT_TAKEN: readonly NotTaken[] = [
  { path: 'coreos.update', severity: 'warning', because: UPDATES },
  { path: 'coreos.locksmith', severity: 'warning', because: UPDATES },
  {
    path: 'coreos.etcd',
    severity: 'warning',
    because: 'etcd 0.4 is no store for this fleet; write coreos.etcd2, which sets up etcd.service',
  },
  {
    path: 'coreos.flannel',
    severity: 'warning',
    because: 'fleet brings no network of its own; write a drop-in for your flanneld.service',
  },
  {
    path: 'coreos.oem',
    severity: 'warning',
    because: "it describes an image of CoreOS; its place is '/etc/os-release'",
  },
  {
    path: 'manage_etc_hosts',
    severity: 'warning',
    because: "/etc/hosts is the host's own; write it with write_files if it must change",
  },
  ...['coreos_ssh_import_github', 'coreos_ssh_import_github_users', 'coreos_ssh_import_url'].map(
    (key): NotTaken => ({
      path: `users.*.${key}`,
      severity: 'warning',
      because: 'keys are not fetched from elsewhere; write them into ssh_authorized_keys',
    }),
  ),
  { path: 'users.*.lock_passwd', severity: 'warning', because: CLOUD_INIT },
  ...[
    'apt',
    'bootcmd',
    'chpasswd',
    'disk_setup',
    'fs_setup',
    'fqdn',
    'groups',
    'growpart',
    'locale',
    'mounts',
  ]
    .concat(['ntp', 'package_update', 'package_upgrade', 'packages', 'phone_home', 'power_state'])
    .concat(['preserve_hostname', 'resize_rootfs', 'runcmd', 'ssh_pwauth', 'swap', 'timezone'])
    .map((path): NotTaken => ({ path, severity: 'warning', because: CLOUD_INIT })),
];
