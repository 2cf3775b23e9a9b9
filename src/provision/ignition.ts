// Ignition 3.x → a plan, or all that is wrong with it. https://coreos.github.io/ignition/configuration-v3_4/
import { hash } from 'node:crypto';
import { checkTree, pathText, withoutNotTaken } from './check-tree.ts';
import { decodeContents } from './fields.ts';
import { IGNITION_NOT_TAKEN, ignitionSchema, type IgnitionConfig } from './ignition-keys.ts';
import {
  EMPTY_PLAN,
  type Owner,
  type PlannedFile,
  type PlannedUnit,
  type PlannedUser,
  type ProvisionPlan,
} from './plan.ts';
import type { Problems } from './problems.ts';
import { readTree, type SourcePath, type SourceTree } from './source-tree.ts';

/** The plan; undefined where the file does not fit, which `problems` then says. */
export function planOfIgnition(text: string, problems: Problems): ProvisionPlan | undefined {
  const tree = readTree(text, 'json', problems);
  if (tree === undefined) return undefined;
  const taken = withoutNotTaken(tree.value, IGNITION_NOT_TAKEN, tree, problems);
  const config = checkTree(ignitionSchema, taken, tree, problems);
  if (config === undefined) return undefined;
  const { storage = {}, passwd = {}, systemd = {} } = config;
  const contentsAt = new Contents(tree, problems);
  return {
    ...EMPTY_PLAN,
    groups: (passwd.groups ?? []).map(({ name, gid, system = false }) => ({
      name,
      system,
      ...(gid === undefined ? {} : { gid }),
    })),
    users: (passwd.users ?? []).map(userOf),
    directories: (storage.directories ?? []).map((one) => ({
      path: one.path,
      mode: one.mode ?? 0o755,
      ...ownerOf(one),
    })),
    files: (storage.files ?? []).flatMap((file, i) =>
      filesOf(file, ['storage', 'files', i], contentsAt),
    ),
    links: (storage.links ?? []).map(({ path, target, hard = false, overwrite = false }) => ({
      path,
      target,
      hard,
      overwrite,
    })),
    units: (systemd.units ?? []).map(unitOf),
  };
}

type IgnitionUser = NonNullable<NonNullable<IgnitionConfig['passwd']>['users']>[number];
type IgnitionFile = NonNullable<NonNullable<IgnitionConfig['storage']>['files']>[number];
type IgnitionUnit = NonNullable<NonNullable<IgnitionConfig['systemd']>['units']>[number];
type Resource = NonNullable<IgnitionFile['contents']>;

function userOf(user: IgnitionUser): PlannedUser {
  return {
    name: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    ...(user.passwordHash === undefined ? {} : { passwordHash: user.passwordHash }),
    ...(user.homeDir === undefined ? {} : { home: user.homeDir }),
    ...(user.primaryGroup === undefined ? {} : { primaryGroup: user.primaryGroup }),
    ...(user.shell === undefined ? {} : { shell: user.shell }),
    ...(user.gecos === undefined ? {} : { gecos: user.gecos }),
    noCreateHome: user.noCreateHome ?? false,
    noUserGroup: user.noUserGroup ?? false,
    noLogInit: user.noLogInit ?? false,
    system: user.system ?? false,
    groups: user.groups ?? [],
    sshKeys: user.sshAuthorizedKeys ?? [],
  };
}

function ownerOf({ user, group }: Pick<IgnitionFile, 'user' | 'group'>): Owner {
  const word = (one: typeof user): string => one?.name ?? String(one?.id ?? 0);
  return { user: word(user), group: word(group) };
}

/** A file, and behind it what is to be appended to it. */
function filesOf(file: IgnitionFile, at: SourcePath, contents: Contents): readonly PlannedFile[] {
  const base = { path: file.path, mode: file.mode ?? 0o644, ...ownerOf(file) };
  const { overwrite = false, append = [] } = file;
  const added = append.flatMap((one, i) => contents.of(one, [...at, 'append', i]) ?? []);
  if (file.contents === undefined && added.length > 0)
    return [{ ...base, contents: joined(added), append: true, keepOther: false }];
  const own = file.contents === undefined ? EMPTY : contents.of(file.contents, [...at, 'contents']);
  if (own === undefined) return [];
  const keepOther = !overwrite;
  return [{ ...base, contents: joined([own, ...added]), append: false, keepOther }];
}

const EMPTY = new Uint8Array();

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** An enabled unit is started too: Ignition ran before systemd, which then did so. */
function unitOf(unit: IgnitionUnit): PlannedUnit {
  return {
    name: unit.name,
    runtime: false,
    ...(unit.contents === undefined ? {} : { text: unit.contents }),
    dropIns: (unit.dropins ?? []).map(({ name, contents = '' }) => ({ name, text: contents })),
    ...(unit.enabled === undefined ? {} : { enable: unit.enabled }),
    ...(unit.mask === undefined ? {} : { mask: unit.mask }),
    ...(unit.enabled === true ? { command: 'start' } : {}),
  };
}

/** Reads the bytes that a `source` stands for. */
class Contents {
  readonly #tree: SourceTree;
  readonly #problems: Problems;

  constructor(tree: SourceTree, problems: Problems) {
    this.#tree = tree;
    this.#problems = problems;
  }

  of(resource: Resource, at: SourcePath): Uint8Array | undefined {
    const { source, compression = '', verification } = resource;
    const decoded = dataOf(source ?? 'data:,', compression === 'gzip');
    if (decoded.ok === undefined) {
      this.#say([...at, 'source'], decoded.problem);
      return undefined;
    }
    const sum = verification?.hash;
    if (sum !== undefined && !isSumOf(sum, decoded.ok))
      this.#say([...at, 'verification', 'hash'], 'is not the sum of the contents');
    return decoded.ok;
  }

  #say(path: SourcePath, problem: string): void {
    this.#problems.error(this.#tree.place(path), `'${pathText(path, this.#tree)}' ${problem}`);
  }
}

/** A URL of RFC 2397. */
function dataOf(source: string, gzip: boolean): ReturnType<typeof decodeContents> {
  const url = /^data:([^,]*),(.*)$/s.exec(source);
  if (url === null)
    return { problem: "is not fetched: only contents in the file itself ('data:') are taken" };
  const base64 = /;base64$/i.test(url[1] ?? '');
  try {
    const bytes = percentDecoded(url[2] ?? '');
    if (base64) return decodeContents(bytes.toString('latin1'), { base64, gzip });
    return decodeContents(bytes.toString('base64'), { base64: true, gzip });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { problem: "has a '%' without two hex digits behind it" };
  }
}

/** Throws RangeError. */
function percentDecoded(text: string): Buffer {
  if (/%(?![0-9a-f]{2})/i.test(text)) throw new RangeError('%');
  const parts = text.split(/(%[0-9a-f]{2})/i);
  return Buffer.concat(
    parts.map((part, i) =>
      i % 2 === 1 ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part, 'utf8'),
    ),
  );
}

function isSumOf(sum: string, bytes: Uint8Array): boolean {
  const [kind = '', hex = ''] = sum.split('-');
  return hash(kind, bytes) === hex.toLowerCase();
}
