// A cloud-config as CoreOS had it → a plan, or all that is wrong with it.
import type { HostAddresses } from './addresses.ts';
import { withAddresses } from './addresses.ts';
import { checkTree, pathText, withoutNotTaken } from './check-tree.ts';
import {
  CLOUD_CONFIG_NOT_TAKEN,
  cloudConfigSchema,
  type CloudConfig,
} from './cloud-config-keys.ts';
import { decodeContents } from './fields.ts';
import { checkFleetUnits } from './fleet-units.ts';
import {
  EMPTY_PLAN,
  type PlannedFile,
  type PlannedUnit,
  type PlannedUser,
  type ProvisionPlan,
} from './plan.ts';
import type { Problems } from './problems.ts';
import { environmentLine } from './environment-line.ts';
import { readTree, type SourceTree } from './source-tree.ts';

export interface ReadOptions {
  readonly addresses: HostAddresses;
  /** What fleetd says against a value of one of its keys. */
  readonly fleetProblem: (key: string, value: string) => string | undefined;
}

/** The user whom the keys at the top of the file are for. */
export const KEYS_USER = 'core';

/** The plan; undefined where the file does not fit, which `problems` then says. */
export function planOfCloudConfig(
  text: string,
  options: ReadOptions,
  problems: Problems,
): ProvisionPlan | undefined {
  const tree = readTree(text, 'yaml', problems);
  if (tree === undefined) return undefined;
  const taken = withoutNotTaken(tree.value, CLOUD_CONFIG_NOT_TAKEN, tree, problems);
  const filled = withAddresses(taken, options.addresses, (path, name) =>
    problems.error(
      tree.place(path),
      `'${pathText(path, tree)}' needs ${name}, which is not known on this host`,
      `Say it with --${name.slice(1).replace('_', '-')}.`,
    ),
  );
  const config = checkTree(cloudConfigSchema, filled, tree, problems);
  if (config === undefined) return undefined;
  const { fleet = {}, etcd2 = {}, units = [] } = config.coreos ?? {};
  for (const [key, value] of Object.entries(fleet)) {
    const problem = value === undefined ? undefined : options.fleetProblem(key, value);
    if (problem !== undefined) problems.error(tree.place(['coreos', 'fleet', key]), problem);
  }
  return {
    ...EMPTY_PLAN,
    ...(config.hostname === undefined ? {} : { hostname: config.hostname }),
    users: usersOf(config),
    files: filesOf(config, tree, problems),
    fleet: lines(fleet),
    units: withEtcd(lines(etcd2), unitsOf(units, tree, problems)),
    submit: checkFleetUnits(config.fleet?.units ?? [], tree, problems),
  };
}

/** What is said of a map of one-line values. */
function lines(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

function usersOf(config: CloudConfig): readonly PlannedUser[] {
  const users = (config.users ?? []).map((user): PlannedUser => ({
    name: user.name,
    ...(user.passwd === undefined ? {} : { passwordHash: user.passwd }),
    ...(user.homedir === undefined ? {} : { home: user.homedir }),
    ...(user.primary_group === undefined ? {} : { primaryGroup: user.primary_group }),
    ...(user.shell === undefined ? {} : { shell: user.shell }),
    ...(user.gecos === undefined ? {} : { gecos: user.gecos }),
    noCreateHome: user.no_create_home ?? false,
    noUserGroup: user.no_user_group ?? false,
    noLogInit: user.no_log_init ?? false,
    system: user.system ?? false,
    groups: user.groups ?? [],
    sshKeys: user.ssh_authorized_keys ?? [],
  }));
  const keys = config.ssh_authorized_keys ?? [];
  if (keys.length === 0) return users;
  const others = users.filter(({ name }) => name !== KEYS_USER);
  const core = users.find(({ name }) => name === KEYS_USER) ?? NEW_CORE;
  return [{ ...core, sshKeys: [...keys, ...core.sshKeys] }, ...others];
}

const NEW_CORE: PlannedUser = {
  name: KEYS_USER,
  shell: '/bin/bash',
  noCreateHome: false,
  noUserGroup: false,
  noLogInit: false,
  system: false,
  groups: [],
  sshKeys: [],
};

function filesOf(
  config: CloudConfig,
  tree: SourceTree,
  problems: Problems,
): readonly PlannedFile[] {
  const seen = new Set<string>();
  return (config.write_files ?? []).flatMap((file, i): PlannedFile[] => {
    const at = ['write_files', i];
    if (seen.has(file.path))
      problems.error(tree.place([...at, 'path']), `'${file.path}' is written twice`);
    seen.add(file.path);
    const encoding = file.encoding ?? { base64: false, gzip: false };
    const contents = decodeContents(file.content ?? '', encoding);
    if (contents.ok === undefined) {
      const place = [...at, 'content'];
      problems.error(tree.place(place), `'${pathText(place, tree)}' ${contents.problem}`);
      return [];
    }
    const [user = 'root', group = 'root'] = (file.owner ?? 'root:root').split(':');
    const mode = file.permissions ?? 0o644;
    const { path } = file;
    return [{ path, mode, user, group, contents: contents.ok, append: false, keepOther: false }];
  });
}

type ConfigUnit = NonNullable<NonNullable<CloudConfig['coreos']>['units']>[number];

function unitsOf(
  units: readonly ConfigUnit[],
  tree: SourceTree,
  problems: Problems,
): readonly PlannedUnit[] {
  const seen = new Set<string>();
  return units.map((unit, i) => {
    const at = ['coreos', 'units', i];
    const name = unit.name === 'etcd2.service' && unit.content === undefined ? ETCD : unit.name;
    if (name !== unit.name)
      problems.warning(
        tree.place([...at, 'name']),
        `'${unit.name}' is taken as '${ETCD}': fleet needs etcd 3, and that is its name`,
      );
    if (seen.has(name)) problems.error(tree.place([...at, 'name']), `'${name}' stands here twice`);
    seen.add(name);
    if (unit.mask === true && unit.enable === true)
      problems.error(tree.place(at), `'${name}' cannot be enabled and masked at once`);
    if (unit.mask === true && unit.content !== undefined)
      problems.error(tree.place(at), `'${name}' cannot have a content and be masked at once`);
    return {
      name,
      runtime: unit.runtime ?? false,
      ...(unit.content === undefined ? {} : { text: unit.content }),
      dropIns: (unit.drop_ins ?? []).map((one) => ({ name: one.name, text: one.content })),
      ...(unit.enable === undefined ? {} : { enable: unit.enable }),
      ...(unit.mask === undefined ? {} : { mask: unit.mask }),
      ...(unit.command === undefined ? {} : { command: unit.command }),
    };
  });
}

const ETCD = 'etcd.service';

/** coreos.etcd2 becomes a drop-in of etcd.service, as CoreOS made one of etcd2.service. */
function withEtcd(
  etcd: Readonly<Record<string, string>>,
  units: readonly PlannedUnit[],
): readonly PlannedUnit[] {
  if (Object.keys(etcd).length === 0) return units;
  const text = `[Service]\n${Object.entries(etcd)
    .map(([key, value]) => environmentLine(`ETCD_${key.toUpperCase()}`, value))
    .join('')}`;
  const own = units.find(({ name }) => name === ETCD) ?? {
    name: ETCD,
    runtime: false,
    dropIns: [],
  };
  const dropIns = [{ name: '20-provision.conf', text }, ...own.dropIns];
  return [{ ...own, dropIns }, ...units.filter(({ name }) => name !== ETCD)];
}
