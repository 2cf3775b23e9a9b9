// Carries changes out, in order. A failure takes back all that was done before it; a unit that systemd refuses does not.
// Invariant: after a failure the host is as it was, or what could not be taken back is named.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import {
  makeGroup,
  makeUser,
  never,
  readAccounts,
  setPassword,
  type Accounts,
} from './accounts.ts';
import { idsOf, keysPath, type Change, type UnitChange } from './changes.ts';
import {
  putDirectory,
  putFile,
  putLink,
  standingAt,
  trustedPath,
  type Undo,
} from './safe-files.ts';
import { runTool } from './tools.ts';

/** Which commands this boot has seen: with the boot it ends. */
const MARKS_FILE = '/run/fleet/provisioned.json';

export interface CarryOut {
  /** Hears of each change before it is made. */
  readonly say: (change: Change) => void;
  /** Hears of what systemd refused. */
  readonly failed: (change: UnitChange, error: FleetError) => void;
  readonly signal: AbortSignal;
}

/** Makes the changes. Throws PROVISION_FAILED when all was taken back. Answers how many units systemd refused. */
export async function carryOut(
  changes: readonly Change[],
  { say, failed, signal }: CarryOut,
): Promise<number> {
  const undos: Undo[] = [];
  let refused = 0;
  for (const change of changes) {
    if (isUnitChange(change)) {
      signal.throwIfAborted();
      say(change);
      const error = await ofUnit(change, signal);
      if (error === undefined) continue;
      refused += 1;
      failed(change, error);
      continue;
    }
    try {
      signal.throwIfAborted();
      say(change);
      await ofHost(change, (undo) => undos.push(undo), signal);
    } catch (error) {
      throw await takenBack(error, undos);
    }
  }
  return refused;
}

function isUnitChange(change: Change): change is UnitChange {
  return ['reload', 'enable', 'disable', 'mask', 'unmask', 'command'].includes(change.kind);
}

async function takenBack(error: unknown, undos: readonly Undo[]): Promise<FleetError> {
  const left: string[] = [];
  for (const undo of undos.toReversed()) {
    try {
      await undo();
    } catch (problem) {
      left.push(problem instanceof Error ? problem.message : String(problem));
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  if (!isExpected(error)) throw error;
  return new FleetError('PROVISION_FAILED', message, {
    cause: error,
    hint:
      left.length === 0
        ? 'All that was done before was undone.'
        : `Not all could be undone: ${left.join('; ')}`,
  });
}

/** A refusal of ours, or of the operating system. */
function isExpected(error: unknown): boolean {
  return isFleetError(error) || (error instanceof Error && 'syscall' in error);
}

/** Hears how to take back each step, at once after it. */
type Done = (undo: Undo) => unknown;

async function ofHost(
  change: Exclude<Change, UnitChange>,
  done: Done,
  signal: AbortSignal,
): Promise<unknown> {
  switch (change.kind) {
    case 'hostname':
      return await renameHost(change.to, done, signal);
    case 'group':
      return done(await makeGroup(change.group, signal));
    case 'user':
      return done(await makeUser(change.user, signal));
    case 'password':
      return done(await password(change.user, change.passwordHash, signal));
    case 'keys':
      return await addKeys(change.user, change.keys, done);
    case 'directory': {
      const { path, mode } = change;
      return done(await putDirectory(path, { mode, ...(await idsNow(change)) }));
    }
    case 'file': {
      const { path, contents, mode } = change;
      return done(await putFile(path, contents, { mode, ...(await idsNow(change)) }));
    }
    case 'link':
      return done(await putLink(change.link.path, change.link.target, change.link.hard));
  }
}

/** Ids after the users and groups were made. */
async function idsNow(
  owner: Readonly<{ user: string; group: string }>,
): Promise<{ uid: number; gid: number }> {
  const { uid, gid } = idsOf(owner, await readAccounts());
  if (uid !== undefined && gid !== undefined) return { uid, gid };
  const { user, group } = owner;
  throw new FleetError('PROVISION_FAILED', `there is no user '${user}' with the group '${group}'`);
}

/** The kernel's name of the host, and the one of the next boot. */
async function renameHost(to: string, done: Done, signal: AbortSignal): Promise<void> {
  const before = hostname();
  done(await putFile('/etc/hostname', Buffer.from(`${to}\n`), ROOT_FILE));
  await runTool(['hostname', to], { signal });
  done(async () => void (await runTool(['hostname', before], { signal: never() })));
}

const ROOT_FILE = { uid: 0, gid: 0, mode: 0o644 };

async function password(user: string, passwordHash: string, signal: AbortSignal): Promise<Undo> {
  const before = (await readAccounts()).passwords.get(user) ?? '!';
  await setPassword(user, passwordHash, signal);
  return () => setPassword(user, before, never());
}

/** Behind those that are there; the file and its directory are the user's alone. */
async function addKeys(user: string, keys: readonly string[], done: Done): Promise<void> {
  const { uid, gid, home } = accountOf(user, await readAccounts());
  const path = keysPath(home);
  done(await putDirectory(dirname(path), { uid, gid, mode: 0o700 }));
  const found = await standingAt(await trustedPath(path));
  const before = found.kind === 'file' ? found.contents.toString('utf8') : '';
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  const text = `${before}${gap}${keys.map((key) => `${key.trim()}\n`).join('')}`;
  done(await putFile(path, Buffer.from(text), { uid, gid, mode: 0o600 }));
}

function accountOf(user: string, accounts: Accounts): { uid: number; gid: number; home: string } {
  const account = accounts.users.get(user);
  if (account !== undefined) return account;
  throw new FleetError('PROVISION_FAILED', `there is no user '${user}'`);
}

async function ofUnit(change: UnitChange, signal: AbortSignal): Promise<FleetError | undefined> {
  try {
    await runTool(['systemctl', ...systemctlWords(change)], { signal });
    if (change.kind === 'command' && change.mark !== undefined)
      await mark(change.unit, change.mark);
    return undefined;
  } catch (error) {
    if (!isFleetError(error, 'PROVISION_FAILED')) throw error;
    return error;
  }
}

/** Nothing is waited for: at boot a unit may be ordered behind provisioning itself. */
function systemctlWords(change: UnitChange): readonly string[] {
  if (change.kind === 'reload') return ['daemon-reload'];
  if (change.kind === 'command') return ['--no-block', change.command, '--', change.unit];
  const runtime = change.runtime ? ['--runtime'] : [];
  return [change.kind, '--quiet', ...runtime, '--', change.unit];
}

/** What was carried out in this boot. */
export async function readMarks(path = MARKS_FILE): Promise<Readonly<Record<string, string>>> {
  try {
    const read: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof read !== 'object' || read === null) return {};
    return Object.fromEntries(
      Object.entries(read).filter((row): row is [string, string] => typeof row[1] === 'string'),
    );
  } catch (error) {
    if (error instanceof SyntaxError) return {}; // a crash left half of it: carried out again
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

async function mark(unit: string, value: string): Promise<void> {
  const marks = { ...(await readMarks()), [unit]: value };
  await mkdir(dirname(MARKS_FILE), { recursive: true, mode: 0o755 });
  await writeFile(`${MARKS_FILE}.new`, JSON.stringify(marks), { mode: 0o600 });
  await rename(`${MARKS_FILE}.new`, MARKS_FILE);
}
