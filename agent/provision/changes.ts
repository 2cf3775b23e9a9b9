// What a plan changes on this host: the plan held against what there is. Read by --dry-run, carried out by carry-out.ts.
// Invariant: a host that is as the plan wants it has no changes; what cannot be done is said before anything is.
import { hash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FleetError } from '../../src/model/errors.ts';
import type {
  Owner,
  PlannedGroup,
  PlannedLink,
  PlannedUnit,
  PlannedUser,
  ProvisionPlan,
  UnitCommand,
} from '../../src/provision/plan.ts';
import {
  FLEET_DROP_IN,
  isNetworkFile,
  plannedFiles,
  SECRET_ENVIRONMENT,
  SUBMIT_DIR,
} from '../../src/provision/planned-files.ts';
import type { Accounts } from './accounts.ts';
import { standingAt, trustedPath, type Standing } from './safe-files.ts';
import { toolEnd } from './tools.ts';

export interface FileChange extends Owner {
  readonly kind: 'file';
  readonly path: string;
  readonly mode: number;
  readonly contents: Uint8Array;
  readonly isNew: boolean;
}

export type Change =
  | FileChange
  | Readonly<{ kind: 'hostname'; to: string }>
  | Readonly<{ kind: 'group'; group: PlannedGroup }>
  | Readonly<{ kind: 'user'; user: PlannedUser }>
  | Readonly<{ kind: 'password'; user: string; passwordHash: string }>
  | Readonly<{ kind: 'keys'; user: string; keys: readonly string[] }>
  | (Readonly<{ kind: 'directory'; path: string; mode: number }> & Owner)
  | Readonly<{ kind: 'link'; link: PlannedLink }>
  | UnitChange;

/** Of what systemd does; one that fails takes nothing else back. */
export type UnitChange =
  | Readonly<{ kind: 'reload' }>
  | Readonly<{ kind: 'enable' | 'disable' | 'mask' | 'unmask'; unit: string; runtime: boolean }>
  | Readonly<{ kind: 'command'; unit: string; command: UnitCommand; mark?: string }>;

/** What is known of the host beside its files. */
export interface HostSight {
  readonly accounts: Accounts;
  /** Commands that were carried out in this boot: what they were for, by unit. */
  readonly marks: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Every change, in the order of carrying out. Throws PROVISION_FAILED for what is in the way. */
export async function changesOf(plan: ProvisionPlan, sight: HostSight): Promise<readonly Change[]> {
  checkOwners(plan, sight.accounts);
  const changes: Change[] = [
    ...hostnameChanges(plan),
    ...accountChanges(plan, sight.accounts),
    ...(await keyChanges(plan.users, sight.accounts)),
  ];
  for (const directory of plan.directories) {
    const found = await standingAt(await trustedPath(directory.path));
    if (found.kind !== 'directory' || !isOwned(found, directory, sight.accounts))
      changes.push({ ...directory, kind: 'directory' });
  }
  for (const file of plannedFiles(plan)) changes.push(...(await fileChanges(file, sight)));
  for (const link of plan.links) changes.push(...(await linkChanges(link)));
  changes.push(...(await unitChanges(plan, changes, sight)));
  return changes;
}

function hostnameChanges({ hostname: to }: ProvisionPlan): readonly Change[] {
  return to === undefined || to === hostname() ? [] : [{ kind: 'hostname', to }];
}

function accountChanges(plan: ProvisionPlan, accounts: Accounts): readonly Change[] {
  const groups = plan.groups.filter(({ name }) => !accounts.groups.has(name));
  return [
    ...groups.map((group): Change => ({ kind: 'group', group })),
    ...plan.users.flatMap((user): Change[] => {
      const { name, passwordHash } = user;
      const isNew = !accounts.users.has(name);
      const hasPassword =
        passwordHash === undefined || accounts.passwords.get(name) === passwordHash;
      return [
        ...(isNew ? [{ kind: 'user', user } as const] : []),
        ...(hasPassword ? [] : [{ kind: 'password', user: name, passwordHash } as const]),
      ];
    }),
  ];
}

/** Where a user's keys of SSH are. */
export function keysPath(home: string): string {
  return join(home, '.ssh/authorized_keys');
}

async function keyChanges(
  users: readonly PlannedUser[],
  accounts: Accounts,
): Promise<readonly Change[]> {
  const changes: Change[] = [];
  for (const { name, sshKeys } of users) {
    if (sshKeys.length === 0) continue;
    const home = accounts.users.get(name)?.home;
    const found: Standing =
      home === undefined ? { kind: 'none' } : await standingAt(await trustedPath(keysPath(home)));
    const lines = found.kind === 'file' ? found.contents.toString('utf8').split('\n') : [];
    const keys = sshKeys.filter((key) => !lines.includes(key.trim()));
    if (keys.length > 0) changes.push({ kind: 'keys', user: name, keys });
  }
  return changes;
}

async function fileChanges(
  file: ReturnType<typeof plannedFiles>[number],
  { accounts }: HostSight,
): Promise<readonly Change[]> {
  const { path, mode, user, group } = file;
  const found = await standingAt(await trustedPath(path));
  if (found.kind === 'directory' || found.kind === 'other')
    throw inTheWay(path, 'is there already, and no file');
  const before = found.kind === 'file' ? found.contents : Buffer.alloc(0);
  const has = file.append ? before.includes(Buffer.from(file.contents)) : false;
  const contents = file.append
    ? has
      ? before
      : Buffer.concat([before, file.contents])
    : Buffer.from(file.contents);
  const same = found.kind === 'file' && before.equals(contents);
  if (same && isOwned(found, file, accounts)) return [];
  if (file.keepOther && found.kind !== 'none' && !same)
    throw inTheWay(path, "is there with other contents, and the file does not say 'overwrite'");
  return [{ kind: 'file', path, mode, user, group, contents, isNew: found.kind === 'none' }];
}

async function linkChanges(link: PlannedLink): Promise<readonly Change[]> {
  const found = await standingAt(await trustedPath(link.path));
  if (link.hard) {
    const target = await standingAt(await trustedPath(link.target));
    const isSame = found.kind === 'file' && target.kind === 'file' && found.ino === target.ino;
    if (isSame) return [];
  } else if (found.kind === 'link' && found.target === link.target) return [];
  if (found.kind !== 'none' && !link.overwrite)
    throw inTheWay(link.path, "is there already, and the link does not say 'overwrite'");
  return [{ kind: 'link', link }];
}

async function unitChanges(
  plan: ProvisionPlan,
  changes: readonly Change[],
  sight: HostSight,
): Promise<readonly UnitChange[]> {
  const written = changes.flatMap((change) => (change.kind === 'file' ? [change.path] : []));
  const units = plan.units.filter(({ name }) => !isNetworkFile(name));
  const found: UnitChange[] = [];
  // A specifier such as %H is read with the unit: a new name of the host counts.
  const isRenamed = changes.some(({ kind }) => kind === 'hostname');
  if (isRenamed || written.some((path) => /^\/(etc|run)\/systemd\/system\//.test(path)))
    found.push({ kind: 'reload' });
  for (const unit of units) found.push(...(await enablement(unit, written, sight.signal)));
  for (const unit of units) {
    const mark = markOf(unit);
    if (unit.command !== undefined && sight.marks[unit.name] !== mark)
      found.push({ kind: 'command', unit: unit.name, command: unit.command, mark });
  }
  if (written.some((path) => /^\/(etc|run)\/systemd\/network\//.test(path)))
    found.push({ kind: 'command', unit: 'systemd-networkd.service', command: 'try-restart' });
  const ofFleet = [FLEET_DROP_IN, SECRET_ENVIRONMENT, '/etc/fleet/fleet.conf'];
  if (written.some((path) => ofFleet.includes(path)))
    found.push({ kind: 'command', unit: 'fleet.service', command: 'try-restart' });
  if (written.some((path) => path.startsWith(`${SUBMIT_DIR}/`)))
    found.push({ kind: 'command', unit: 'fleet-submit.service', command: 'start' });
  return found;
}

/** What a command was for: another content of the unit is another reason. */
function markOf(unit: PlannedUnit): string {
  return hash('sha256', JSON.stringify([unit.command, unit.text, unit.dropIns]));
}

async function enablement(
  unit: PlannedUnit,
  written: readonly string[],
  signal: AbortSignal,
): Promise<readonly UnitChange[]> {
  const { name, enable, mask, runtime } = unit;
  if (enable === undefined && mask === undefined) return [];
  const isNew = written.some((path) => path.endsWith(`/${name}`));
  const { stdout } = await toolEnd(['systemctl', 'is-enabled', '--', name], { signal });
  const state = stdout.trim();
  const isMasked = state.startsWith('masked') && !isNew;
  const change = (kind: 'enable' | 'disable' | 'mask' | 'unmask'): readonly UnitChange[] => [
    { kind, unit: name, runtime },
  ];
  if (mask === true) return isMasked ? [] : change('mask');
  const unmask = mask === false && isMasked ? change('unmask') : [];
  const isEnabled = /^(enabled|static|indirect|generated|alias|linked)/.test(state);
  if (enable === true && (!isEnabled || isMasked)) return [...unmask, ...change('enable')];
  if (enable === false && state.startsWith('enabled')) return [...unmask, ...change('disable')];
  return unmask;
}

function isOwned(
  found: Readonly<{ mode: number; uid: number; gid: number }>,
  wanted: Owner & Readonly<{ mode: number }>,
  accounts: Accounts,
): boolean {
  const { uid, gid } = idsOf(wanted, accounts);
  return found.mode === wanted.mode && found.uid === uid && found.gid === gid;
}

/** Ids of names; undefined for those that are not there yet. */
export function idsOf(
  { user, group }: Owner,
  accounts: Accounts,
): { uid: number | undefined; gid: number | undefined } {
  const isId = (word: string): boolean => /^\d+$/.test(word);
  return {
    uid: isId(user) ? Number(user) : accounts.users.get(user)?.uid,
    gid: isId(group) ? Number(group) : accounts.groups.get(group),
  };
}

/** A file of a user whom neither the host nor the plan knows cannot be written. */
function checkOwners(plan: ProvisionPlan, accounts: Accounts): void {
  const users = new Set([...accounts.users.keys(), ...plan.users.map(({ name }) => name)]);
  const groups = new Set([
    ...accounts.groups.keys(),
    ...plan.groups.map(({ name }) => name),
    ...plan.users.map(({ name }) => name), // useradd makes one for each
  ]);
  for (const { path, user, group } of [...plan.directories, ...plan.files]) {
    if (!/^\d+$/.test(user) && !users.has(user))
      throw inTheWay(path, `is to belong to the user '${user}', who is not here`);
    if (!/^\d+$/.test(group) && !groups.has(group))
      throw inTheWay(path, `is to belong to the group '${group}', which is not here`);
  }
}

function inTheWay(path: string, what: string): FleetError {
  return new FleetError('PROVISION_FAILED', `'${path}' ${what}`);
}
