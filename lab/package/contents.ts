// What is in the executable besides fleet, for its users: a bill of materials (CycloneDX 1.5) and the licences.
// Invariant: names what is really inside, and no place where it was built or came from.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { projectDir } from '../script.ts';

export interface Part {
  readonly name: string;
  readonly version: string;
  /** SPDX, as the package says. */
  readonly license: string;
  /** The text that comes with it; undefined where none does. */
  readonly licenseText: string | undefined;
}

/** The npm packages in these directories, named from the project's. */
export function partsIn(packageDirs: readonly string[]): readonly Part[] {
  const parts = new Map<string, Part>();
  for (const dir of packageDirs) {
    const here = path.join(projectDir, dir);
    const json = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8')) as Manifest;
    const { name, version, license = '' } = json;
    const file = readdirSync(here).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
    const licenseText =
      file === undefined ? undefined : readFileSync(path.join(here, file), 'utf8');
    parts.set(`${name}@${version}`, { name, version, license, licenseText });
  }
  return [...parts.values()];
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** Of this Node, such as `openssl` and `v8`. */
type NodeVersions = Readonly<Record<string, string | undefined>>;

const OWN_OF_NODE: ReadonlySet<string> = new Set(['node', 'modules', 'napi', 'unicode', 'tz']);

/** The bill of materials, as JSON. */
export function billOfMaterials(
  version: string,
  parts: readonly Part[],
  versions: NodeVersions,
): string {
  const node = versions['node'] ?? '';
  const ofNode = Object.entries(versions).filter(([name]) => !OWN_OF_NODE.has(name));
  const components = [
    {
      type: 'application',
      name: 'node',
      version: node,
      purl: `pkg:generic/node@${node}`,
      components: ofNode.map(([name, of]) => ({ type: 'library', name, version: of })),
    },
    ...parts.map((part) => ({
      'bom-ref': `${part.name}@${part.version}`,
      type: 'library',
      name: part.name,
      version: part.version,
      purl: `pkg:npm/${part.name.replace('@', '%40')}@${part.version}`,
      ...(part.license === '' ? {} : { licenses: [licenseOf(part.license)] }),
    })),
  ];
  const component = {
    'bom-ref': `fleet@${version}`,
    type: 'application',
    name: 'fleet',
    version,
    licenses: [licenseOf('Apache-2.0')],
  };
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component },
    components,
  };
  return `${JSON.stringify(bill, undefined, 2)}\n`;
}

/** An expression such as `(MIT OR Apache-2.0)` is told apart from one licence. */
function licenseOf(license: string): object {
  return /[ (]/.test(license) ? { expression: license } : { license: { id: license } };
}

/** /usr/share/doc/fleet/copyright: fleet's own licence by name, the others with their texts. */
export function copyright(parts: readonly Part[], nodeVersion: string): string {
  const common = '/usr/share/common-licenses/Apache-2.0';
  const own = existsSync(path.join(projectDir, 'LICENSE')) ? common : '';
  const head = [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: fleet',
    '',
    'Files: *',
    'Copyright: the authors of fleet',
    'License: Apache-2.0',
    ` On Debian systems the text is in ${own}.`,
    '',
    'Files: usr/bin/fleetd',
    'Copyright: the authors of what is in it',
    'License: various',
    ` The executable holds Node.js ${nodeVersion} with its parts (MIT and others:`,
    ` https://github.com/nodejs/node/blob/v${nodeVersion}/LICENSE) and the packages below.`,
  ];
  const texts = parts.map(({ name, version, license, licenseText = '' }) => {
    const text = licenseText.trim() === '' ? license : licenseText.trim();
    return `\n${'-'.repeat(72)}\n${name} ${version}: ${license}\n\n${text}\n`;
  });
  return `${head.join('\n')}\n${texts.join('')}`;
}
