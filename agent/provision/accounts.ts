// The users and groups of this host, and how they are made.
// Invariant: a user who is there keeps what they are; only a password and keys are given to them.
import { readFile } from 'node:fs/promises';
import type { PlannedGroup, PlannedUser } from '../../src/provision/plan.ts';
import type { Undo } from './safe-files.ts';
import { runTool } from './tools.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Accounts {
  readonly users: ReadonlyMap<string, Account>;
  readonly groups: ReadonlyMap<string, number>;
  /** Hashes of passwords by user. */
  readonly passwords: ReadonlyMap<string, string>;
}

/** What /etc/passwd, /etc/group and /etc/shadow say. */
export async function readAccounts(): Promise<Accounts> {
  const [users, groups, passwords] = await Promise.all([
    rowsOf('/etc/passwd'),
    rowsOf('/etc/group'),
    rowsOf('/etc/shadow'),
  ]);
  return {
    users: new Map(
      users.map(([name = '', , uid, gid, , home = '/']) => [
        name,
        { uid: Number(uid), gid: Number(gid), home },
      ]),
    ),
    groups: new Map(groups.map(([name = '', , gid]) => [name, Number(gid)])),
    passwords: new Map(passwords.map(([name = '', hash = '']) => [name, hash])),
  };
}

async function rowsOf(path: string): Promise<readonly string[][]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(':'));
}

/** Makes a group. */
export async function makeGroup(group: PlannedGroup, signal: AbortSignal): Promise<Undo> {
  const id = group.gid === undefined ? [] : ['--gid', String(group.gid)];
  const system = group.system ? ['--system'] : [];
  await runTool(['groupadd', ...id, ...system, group.name], { signal });
  return async () => void (await runTool(['groupdel', group.name], { signal: never() }));
}

/** Makes a user, without password and keys. */
export async function makeUser(user: PlannedUser, signal: AbortSignal): Promise<Undo> {
  await runTool(['useradd', ...useraddOptions(user), user.name], { signal });
  const home = user.noCreateHome || user.home !== undefined ? [] : ['--remove'];
  return async () => void (await runTool(['userdel', ...home, user.name], { signal: never() }));
}

/** The words of useradd(8). */
function useraddOptions(user: PlannedUser): readonly string[] {
  const option = (name: string, value: string | undefined): readonly string[] =>
    value === undefined ? [] : [name, value];
  return [
    user.noCreateHome ? '--no-create-home' : '--create-home',
    ...option('--uid', user.uid === undefined ? undefined : String(user.uid)),
    ...option('--home-dir', user.home),
    ...option('--gid', user.primaryGroup),
    ...(user.primaryGroup === undefined && user.noUserGroup ? ['--no-user-group'] : []),
    ...option('--groups', user.groups.length === 0 ? undefined : user.groups.join(',')),
    ...(user.system ? ['--system'] : []),
    ...(user.noLogInit ? ['--no-log-init'] : []),
    ...option('--shell', user.shell),
    ...option('--comment', user.gecos),
  ];
}

/** Gives a user the hash of a password; it is in no command line. */
export async function setPassword(
  name: string,
  passwordHash: string,
  signal: AbortSignal,
): Promise<void> {
  await runTool(['chpasswd', '--encrypted'], { stdin: `${name}:${passwordHash}\n`, signal });
}

/** What is taken back is taken back whole. */
export function never(): AbortSignal {
  return new AbortController().signal;
}
