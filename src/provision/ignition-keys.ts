// The keys of Ignition 3.0 to 3.5 as a schema: what is taken, and what is known and not carried out.
import { z } from 'zod';
import { keyed, type NotTaken } from './check-tree.ts';
import {
  accountField,
  dropInField,
  hostUnitField,
  passwdField,
  passwordHashField,
  pathField,
  sshKeyField,
  textLike,
} from './fields.ts';

/** An absent key and `null` are the same to Ignition. */
function maybe<S extends z.ZodType>(schema: S) {
  return z.preprocess((value) => value ?? undefined, schema.optional());
}

const idField = z.int().min(0).max(4_294_967_294);
const modeField = z
  .int()
  .min(0)
  .max(0o7777, { error: 'must be a mode as a decimal number: 420 is 0644' });
const nodeOwner = maybe(keyed({ id: maybe(idField), name: maybe(accountField) }));

const resourceField = keyed({
  source: maybe(z.string()),
  compression: maybe(z.enum(['', 'gzip'], { error: 'must be gzip' })),
  verification: maybe(
    keyed({
      hash: maybe(
        textLike(
          /^(sha512-[0-9a-f]{128}|sha256-[0-9a-f]{64})$/i,
          "must be 'sha256-' or 'sha512-' and the sum in hex",
        ),
      ),
    }),
  ),
});

const nodeFields = { path: pathField, user: nodeOwner, group: nodeOwner };

const storage = keyed({
  files: maybe(
    z.array(
      keyed({
        ...nodeFields,
        overwrite: maybe(z.boolean()),
        contents: maybe(resourceField),
        append: maybe(z.array(resourceField)),
        mode: maybe(modeField),
      }),
    ),
  ),
  directories: maybe(
    z.array(keyed({ ...nodeFields, overwrite: maybe(z.boolean()), mode: maybe(modeField) })),
  ),
  links: maybe(
    z.array(
      keyed({
        ...nodeFields,
        overwrite: maybe(z.boolean()),
        target: z.string().regex(/^[^\0]+$/, { error: 'must be a path' }),
        hard: maybe(z.boolean()),
      }),
    ),
  ),
});

const passwd = keyed({
  users: maybe(
    z.array(
      keyed({
        name: accountField,
        passwordHash: maybe(passwordHashField),
        sshAuthorizedKeys: maybe(z.array(sshKeyField)),
        uid: maybe(idField),
        gecos: maybe(passwdField),
        homeDir: maybe(pathField),
        noCreateHome: maybe(z.boolean()),
        primaryGroup: maybe(accountField),
        groups: maybe(z.array(accountField)),
        noUserGroup: maybe(z.boolean()),
        noLogInit: maybe(z.boolean()),
        shell: maybe(pathField),
        system: maybe(z.boolean()),
      }),
    ),
  ),
  groups: maybe(
    z.array(keyed({ name: accountField, gid: maybe(idField), system: maybe(z.boolean()) })),
  ),
});

const systemd = keyed({
  units: maybe(
    z.array(
      keyed({
        name: hostUnitField,
        enabled: maybe(z.boolean()),
        mask: maybe(z.boolean()),
        contents: maybe(z.string()),
        dropins: maybe(z.array(keyed({ name: dropInField, contents: maybe(z.string()) }))),
      }),
    ),
  ),
});

/** The whole file. */
export const ignitionSchema = keyed({
  ignition: keyed({
    version: textLike(/^3\.[0-5]\.0$/, 'must be a version from 3.0.0 to 3.5.0'),
    config: maybe(keyed({})),
  }),
  storage: maybe(storage),
  passwd: maybe(passwd),
  systemd: maybe(systemd),
});

export type IgnitionConfig = z.output<typeof ignitionSchema>;

const DISKS = 'fleet does not lay out disks; that must be done before it comes to the host';

/** Keys that Ignition has and fleet has not. */
export const IGNITION_NOT_TAKEN: readonly NotTaken[] = [
  ...['storage.disks', 'storage.raid', 'storage.filesystems', 'storage.luks'].map(
    (path): NotTaken => ({ path, severity: 'error', because: DISKS }),
  ),
  ...['ignition.config.merge', 'ignition.config.replace'].map((path): NotTaken => ({
    path,
    severity: 'error',
    because: 'other files are not fetched; put all into one',
  })),
  ...['ignition.proxy', 'ignition.security', 'ignition.timeouts'].map((path): NotTaken => ({
    path,
    severity: 'warning',
    because: 'nothing is fetched',
  })),
  ...['storage.files.*.contents.httpHeaders', 'storage.files.*.append.*.httpHeaders'].map(
    (path): NotTaken => ({ path, severity: 'warning', because: 'nothing is fetched' }),
  ),
  {
    path: 'kernelArguments',
    severity: 'warning',
    because: "the boot loader is the distribution's; set them there",
  },
  {
    path: 'passwd.users.*.shouldExist',
    severity: 'error',
    because: 'users are not removed; remove them with userdel',
  },
  {
    path: 'passwd.groups.*.passwordHash',
    severity: 'warning',
    because: 'groups get no passwords',
  },
  {
    path: 'passwd.groups.*.shouldExist',
    severity: 'error',
    because: 'groups are not removed; remove them with groupdel',
  },
];
