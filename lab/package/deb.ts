// The Debian package: what is in it, where, and dpkg-deb's call. Maintainer scripts are in units/deb/.
// Invariant: the same executable, version and SOURCE_DATE_EPOCH make the same package. (V8's code caches in an executable differ from build to build.)
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, lstat, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { projectDir } from '../script.ts';
import { bashCompletion, fishCompletion, zshCompletion } from './completions.ts';

export interface DebOptions {
  readonly version: string;
  readonly executable: string;
  readonly copyright: string;
  /** s since 1970: of all files, and of the changelog. */
  readonly time: number;
  /** Made anew, and left behind. */
  readonly workDir: string;
  readonly outDir: string;
}

type Entry = Readonly<{ path: string; mode?: number }> &
  (
    Readonly<{ content: string | Buffer }> | Readonly<{ file: string }> | Readonly<{ link: string }>
  );

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const CONFIG = 'etc/fleet/fleet.conf';
const DOC = 'usr/share/doc/fleet';

/** Builds fleet_VERSION_ARCH.deb and answers its path. */
export async function buildDeb(options: DebOptions): Promise<string> {
  const { workDir, outDir, time } = options;
  await rm(workDir, { recursive: true, force: true });
  const entries = contents(options);
  const kilobytes = await lay(workDir, entries, time);
  await lay(workDir, controlFiles(options, entries, kilobytes), time);
  const deb = path.join(outDir, `fleet_${debianVersion(options.version)}_${architecture()}.deb`);
  const args = ['--build', '--root-owner-group', '-Zzstd', '-z9', workDir, deb];
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(time) };
  const { status, error, stderr } = spawnSync('dpkg-deb', args, { encoding: 'utf8', env });
  if (error !== undefined) throw new Error('no dpkg-deb here (Debian: dpkg)');
  if (status !== 0) throw new Error(`dpkg-deb: ${stderr}`);
  return deb;
}

/** `2.0.0-dev` comes before 2.0.0: `2.0.0~dev`. */
export function debianVersion(version: string): string {
  return version.replace('-', '~');
}

function architecture(): string {
  const found = ARCHITECTURES[process.arch];
  if (found === undefined) throw new Error(`no Debian architecture for '${process.arch}'`);
  return found;
}

function contents({ executable, version, copyright, time }: DebOptions): readonly Entry[] {
  const units = path.join(projectDir, 'units');
  const man = path.join(projectDir, 'docs/man');
  const examples = path.join(units, 'examples');
  return [
    { path: 'usr/bin/fleetd', file: executable, mode: 0o755 },
    { path: 'usr/bin/fleetctl', link: 'fleetd' },
    ...readdirSync(units)
      .filter((name) => /\.(service|socket)$/.test(name))
      .map((unit) => ({
        path: `usr/lib/systemd/system/${unit}`,
        file: path.join(units, unit),
      })),
    { path: 'usr/lib/sysusers.d/fleet.conf', file: path.join(units, 'fleet.sysusers') },
    { path: 'usr/lib/tmpfiles.d/fleet.conf', file: path.join(units, 'fleet.tmpfiles') },
    { path: CONFIG, file: path.join(units, 'fleet.conf'), mode: 0o640 }, // etcd's password may be in it
    ...readdirSync(man).map((page) => ({
      path: `usr/share/man/man${page.slice(-1)}/${page}.gz`,
      content: gzipSync(readFileSync(path.join(man, page)), { level: 9 }),
    })),
    { path: 'usr/share/bash-completion/completions/fleetctl', content: bashCompletion() },
    { path: 'usr/share/zsh/vendor-completions/_fleetctl', content: zshCompletion() },
    { path: 'usr/share/fish/vendor_completions.d/fleetctl.fish', content: fishCompletion() },
    ...readdirSync(examples).map((name) => ({
      path: `${DOC}/examples/${name}`,
      file: path.join(examples, name),
    })),
    { path: `${DOC}/copyright`, content: copyright },
    { path: `${DOC}/changelog.gz`, content: gzipSync(changelog(version, time), { level: 9 }) },
    {
      path: `${DOC}/NEWS.gz`,
      content: gzipSync(readFileSync(path.join(projectDir, 'CHANGELOG.md')), { level: 9 }),
    },
  ];
}

const MAINTAINER = 'The fleet project <fleet@localhost>';

function changelog(version: string, time: number): string {
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000');
  return `fleet (${debianVersion(version)}) unstable; urgency=medium\n\n  * NEWS.gz has what differs for the user.\n\n -- ${MAINTAINER}  ${date}\n`;
}

function controlFiles(
  { version }: DebOptions,
  entries: readonly Entry[],
  kilobytes: number,
): readonly Entry[] {
  const control = [
    'Package: fleet',
    `Version: ${debianVersion(version)}`,
    `Architecture: ${architecture()}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kilobytes}`,
    // Node's own, and `-Zzstd` and sysusers are Debian 12's, Ubuntu 22.04's.
    'Depends: libc6 (>= 2.28), libstdc++6, libgcc-s1, libatomic1, systemd (>= 247), init-system-helpers, passwd',
    'Recommends: dbus, openssh-client',
    'Suggests: etcd-server, podman',
    'Section: admin',
    'Priority: optional',
    'Description: turns many Linux hosts with systemd into one',
    ' fleetd decides with the others which host runs which unit file, and has this',
    " host's systemd run it; fleetctl is what people ask it with.",
  ];
  const sums = entries.flatMap((entry) =>
    'link' in entry ? [] : [`${md5(bytesOf(entry))}  ${entry.path}`],
  );
  return [
    { path: 'DEBIAN/control', content: lines(control) },
    { path: 'DEBIAN/conffiles', content: lines([`/${CONFIG}`]) },
    { path: 'DEBIAN/md5sums', content: lines(sums) },
    ...['postinst', 'prerm', 'postrm'].map((script) => ({
      path: `DEBIAN/${script}`,
      file: path.join(projectDir, 'units/deb', script),
      mode: 0o755,
    })),
  ];
}

/** Writes them below `root`; answers their size in KiB. */
async function lay(root: string, entries: readonly Entry[], time: number): Promise<number> {
  let kilobytes = 0;
  for (const entry of entries) {
    const target = path.join(root, entry.path);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
    if ('link' in entry) {
      await symlink(entry.link, target);
      continue;
    }
    if ('file' in entry) copyFileSync(entry.file, target);
    else await writeFile(target, entry.content);
    await chmod(target, entry.mode ?? 0o644);
    await utimes(target, time, time);
    kilobytes += Math.ceil((await lstat(target)).size / 1024);
  }
  return kilobytes;
}

function bytesOf(entry: Entry): Buffer {
  if ('file' in entry) return readFileSync(entry.file);
  return 'content' in entry ? Buffer.from(entry.content) : Buffer.of();
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex'); // what dpkg --verify reads
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
