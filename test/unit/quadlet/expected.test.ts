// podman's own expectations of Quadlet, kept beside the project: every assertion holds, but for those of a reviewed table.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Conversion } from '../../../src/quadlet/convert.ts';
import { convertQuadlet } from '../../../src/quadlet/convert.ts';
import { referencesOf } from '../../../src/quadlet/references.ts';
import type { UnitFile } from '../../../src/unitfile/parse.ts';
import { parseUnitFile } from '../../../src/unitfile/parse.ts';
import type { Checked } from '../../../src/unitfile/problem.ts';
import { assertionsOf, holds } from '../../support/quadlet-assertions.ts';
import { tempDir } from '../../support/temp-dir.ts';

const ROOT = join(import.meta.dirname, '../../..');
const CORPUS = join(ROOT, '../shared/corpus/quadlets/expected');
const missing = !existsSync(CORPUS);
if (missing) console.warn('SKIPPED: no expectations of Quadlet at ../shared/corpus/quadlets');

/** file, assertion → why it does not hold here. */
const leftOut = new Map(
  readFileSync(join(ROOT, 'test/fixtures/quadlet-left-out.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [file = '', assertion = '', reason = ''] = line.split('\t');
      return [`${file}: ${assertion}`, reason];
    }),
);

/** Files that those of the corpus refer to and that are not among them; the contents are podman's conventions of names. */
const COMPANIONS: Readonly<Record<string, string>> = {
  build: 'ImageTag=localhost/imagename\nFile=/Containerfile',
  image: 'Image=localhost/imagename',
  kube: 'Yaml=/pod.yml',
  container: 'Image=localhost/imagename',
};

function companion(name: string): string {
  const type = name.slice(name.lastIndexOf('.') + 1);
  const section = type.charAt(0).toUpperCase() + type.slice(1);
  const named = name.startsWith('service-name.')
    ? `ServiceName=basic\n${section}Name=test-${type}\n`
    : '';
  return `[${section}]\n${named}${COMPANIONS[type] ?? ''}\n`;
}

function fileOf(name: string): UnitFile | undefined {
  const path = join(CORPUS, name);
  return parseUnitFile(existsSync(path) ? readFileSync(path, 'utf8') : companion(name), 'podman')
    .ok;
}

function convert(name: string, text: string): Checked<Conversion> {
  const parsed = parseUnitFile(text, 'podman');
  if (parsed.ok === undefined) return parsed;
  const quadlets = new Map<string, UnitFile>();
  for (const other of referencesOf(parsed.ok)) {
    const file = fileOf(other);
    if (file !== undefined) quadlets.set(other, file);
  }
  return convertQuadlet(name, parsed.ok, {
    runtime: 'podman',
    program: '/usr/bin/podman',
    user: false,
    directory: '/tmp/podman-e2e-1/subtest-1/quadlet',
    quadlets,
    devices: new Set(),
  });
}

/** The links that systemd's own `enable` makes of the service, by their paths below the directory of units. */
function linksOf(root: string, { service, text }: Conversion): ReadonlyMap<string, string> {
  const directory = join(root, 'etc/systemd/system');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, service), text);
  // Not its status: it makes the other links where one alias is none to it.
  const { error } = spawnSync('systemctl', [`--root=${root}`, 'enable', service]);
  expect(error).toBeUndefined();
  const links = globSync('**/*', { cwd: directory, withFileTypes: true }).filter((entry) =>
    entry.isSymbolicLink(),
  );
  return new Map(
    links.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length + 1), basename(readlinkSync(path))];
    }),
  );
}

describe.skipIf(missing)("podman's expectations", () => {
  const files = missing ? [] : globSync('*', { cwd: CORPUS }).sort();
  const directory = tempDir();

  it.for(files)('%s', (name) => {
    const text = readFileSync(join(CORPUS, name), 'utf8');
    const converted = convert(name, text);
    const assertions = assertionsOf(text);
    const linked = assertions.some((assertion) => assertion.name === 'assert-symlink');
    const links =
      linked && converted.ok !== undefined
        ? linksOf(join(directory, name), converted.ok)
        : new Map<string, string>();
    const failed = assertions
      .filter((assertion) => !holds(assertion, { converted, links }))
      .map((assertion) => assertion.text);
    const shown =
      converted.ok?.text ?? converted.problems?.map(({ message }) => message).join('\n');
    expect(
      failed.filter((text) => !leftOut.has(`${name}: ${text}`)),
      shown,
    ).toEqual([]);
    // What podman converts is converted: a refusal must be one that the file expects.
    if (!assertions.some((assertion) => assertion.name === 'assert-failed'))
      expect(converted.problems).toBeUndefined();
  });

  it('leaves out nothing without a reason, and nothing that is not there', () => {
    const all = files.flatMap((name) =>
      assertionsOf(readFileSync(join(CORPUS, name), 'utf8')).map(({ text }) => `${name}: ${text}`),
    );
    expect([...leftOut.keys()].filter((key) => !all.includes(key))).toEqual([]);
    expect([...leftOut.values()].filter((reason) => reason === '')).toEqual([]);
    expect(all.length).toBeGreaterThan(250);
  });
});
