// The repository about itself: what is documented is what there is.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IGNORED_KEYS, parseConfig } from '../agent/config.ts';
import { CONFIG_KEYS } from '../src/model/config-keys.ts';
import { v1Operations, v2Operations } from '../src/api/operations.ts';
import { commands } from '../cli/definition.ts';
import { globalOptions } from '../cli/options.ts';
import { decodeUnitBytes } from '../src/unitfile/parse.ts';
import { checkFleetOptions } from '../src/unitfile/fleet-options.ts';
import { quadletProblems } from '../src/quadlet/check.ts';
import { FLEET_KEYS, LATER_KEYS } from '../src/unitfile/fleet-keys.ts';
import { parseNamedFile } from '../src/unitfile/quadlet-name.ts';
import { unitName } from './support/cluster.ts';
import { manPages, manPath } from './support/man-pages.ts';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(path));
const read = (path: string): string => readFileSync(path, 'utf8');
const markdown = files.filter((path) => path.endsWith('.md'));
const source = files.filter((path) => /^(src|agent|cli)\/.*\.ts$/.test(path));
const hasMan = spawnSync('man', ['--version']).status === 0;
if (!hasMan) process.stderr.write('skipped: man (Debian: man-db) is not installed\n');

/** The words in code marks in the first column of a document's tables. */
function terms(document: string): readonly string[] {
  return read(document)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, term]) => term!));
}

/** `# Title` → `title`, as links name it. */
function anchors(document: string): ReadonlySet<string> {
  const headings = read(document)
    .replaceAll(/^```.*?^```/gms, '')
    .matchAll(/^#+ (.*)$/gm);
  const slug = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-');
  return new Set([...headings].map(([, heading]) => slug(heading!)));
}

describe('the documents', () => {
  it('docs/errors.md has every error code, and no other', () => {
    const codes = [...read('src/model/errors.ts').matchAll(/\| '([A-Z_]+)'/g)].map(
      ([, code]) => code!,
    );
    expect(codes.length).toBeGreaterThan(20);
    expect(terms('docs/errors.md').toSorted()).toEqual(codes.toSorted());
  });

  it('docs/api.md and the OpenAPI document have every route, and no other', () => {
    const served = ['v1', 'v2'].flatMap((version) =>
      [
        ...read(`src/api/routes/${version}.ts`).matchAll(
          /method: '(\w+)',\s+path: `\$\{base\}([^`]+)`/g,
        ),
      ].map(
        ([, method, path]) =>
          `${method} /fleet/${version}${path!.replace(':name', 'NAME').replace(':id', 'ID')}`,
      ),
    );
    expect(served.length).toBeGreaterThan(15);
    const inDocument = Object.entries({ v1: v1Operations, v2: v2Operations }).flatMap(
      ([version, operations]) =>
        Object.keys(operations).map((line) => {
          const [method, path] = line.split(' ');
          return `${method} /fleet/${version}${path!.replace(':name', 'NAME').replace(':id', 'ID')}`;
        }),
    );
    expect(inDocument.toSorted()).toEqual(served.toSorted());
    const documented = terms('docs/api.md').filter((term) => /^[A-Z]+ \/fleet\//.test(term));
    expect(documented.map((term) => term.replace(/\?.*/, '')).toSorted()).toEqual(
      served.toSorted(),
    );
  });

  it('docs/configuration.md has every key, and no other, with the defaults that fleetd has', () => {
    const keys = [...CONFIG_KEYS, ...IGNORED_KEYS];
    expect(terms('docs/configuration.md').toSorted()).toEqual(keys.toSorted());
    const defaults = read('docs/configuration.md')
      .split('\n')
      .map((line) => line.split(' | '))
      .filter(([term, value = '']) => term!.startsWith('| `') && /^[`\d]|^false$/.test(value))
      .map(([term, value]) => `${term!.slice(3, -1)}=${value!.replaceAll('`', '')}`)
      .filter((line) => !line.startsWith('units_directory='));
    expect(defaults.length).toBeGreaterThan(10);
    expect(configOf(defaults.join('\n'))).toEqual(configOf(''));
  });

  it('units/fleet.conf has every key, with the defaults that fleetd has', () => {
    const lines = read('units/fleet.conf').split('\n');
    const given = lines.filter((line) => /^# [a-z_]+=/.test(line)).map((line) => line.slice(2));
    expect(given.map((line) => line.split('=')[0]!).toSorted()).toEqual(
      [...CONFIG_KEYS].toSorted(),
    );
    expect(configOf(given.join('\n'))).toEqual(configOf(''));
    for (const key of IGNORED_KEYS) expect(read('units/fleet.conf')).toContain(key);
  });

  it('docs/fleetctl.md has every option', () => {
    const document = read('docs/fleetctl.md');
    const options = [...globalOptions, ...commands.flatMap((command) => command.options)];
    const shown = options.filter((option) => option.hidden === undefined);
    expect(shown.filter(({ name }) => !document.includes(`--${name}`))).toEqual([]);
  });

  it('docs/lab.md has every command of npm run lab, and no other', () => {
    const usage = execFileSync('node_modules/.bin/node', ['lab/main.ts', 'help'], {
      encoding: 'utf8',
    });
    const offered = [...usage.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, command]) => command!);
    const documented = terms('docs/lab.md')
      .filter((term) => !term.startsWith('--'))
      .map((term) => term.split(' ')[0]!);
    expect([...new Set(documented)].toSorted()).toEqual(offered.toSorted());
    for (const command of offered)
      expect(read('lab/main.ts'), command).toMatch(new RegExp(`'${command}'`));
  });

  it('docs/unit-files.md has every key of [X-Fleet]', () => {
    const document = read('docs/unit-files.md');
    const [current, older] = ['`KEY=`', '`KEY`'].map((form) =>
      [...FLEET_KEYS.keys()].filter((key) => document.includes(form.replace('KEY', key))),
    );
    expect(new Set([...current!, ...older!])).toEqual(new Set(FLEET_KEYS.keys()));
    expect([...LATER_KEYS].filter((key) => !document.includes(key))).toEqual([]);
    const shown = terms('README.md').flatMap((term) => /^([A-Z]\w+)=/.exec(term)?.[1] ?? []);
    const kept = [...FLEET_KEYS.keys()].filter((key) => !key.startsWith('X-'));
    expect(shown.toSorted()).toEqual(kept.toSorted());
  });

  it('docs/adr/README.md links every decision by its title', () => {
    const decisions = files.filter((path) => /^docs\/adr\/\d{4}-.*\.md$/.test(path));
    const index = read('docs/adr/README.md');
    for (const path of decisions) {
      const title = read(path)
        .split('\n', 1)[0]!
        .replace(/^# \d+\. /, '');
      expect(index).toContain(`](${path.replace('docs/adr/', '')}) | ${title} |`);
    }
  });

  it('docs/man/ is what its documents make (npm run docs writes it)', () => {
    const pages = manPages();
    const written = files.filter((path) => path.startsWith('docs/man/'));
    expect(written.length).toBe(pages.length);
    for (const { file, text } of pages) expect(read(manPath(file)), file).toBe(text);
  });

  it.skipIf(!hasMan)('docs/man/ is read by man(1) without a warning', () => {
    for (const { file } of manPages()) {
      const ended = spawnSync('man', ['--warnings', '-l', '-Tutf8', manPath(file)], {
        encoding: 'utf8',
      });
      expect({ file, status: ended.status, stderr: ended.stderr }).toEqual({
        file,
        status: 0,
        stderr: '',
      });
      expect(ended.stdout.length).toBeGreaterThan(2_000);
    }
  });

  it('has unit files only that fleet takes', () => {
    const blocks = markdown.flatMap((path) =>
      [/^```ini\n(.*?)^```/gms, /^# cat > \S+ <<'EOF'\n(.*?)^EOF$/gms]
        .flatMap((form) => [...read(path).matchAll(form)])
        .map(([, text]) => ({ path, text: text! })),
    );
    const examples = files.filter((path) =>
      /^units\/(examples\/|fleet\.(service|socket)$)/.test(path),
    );
    expect(blocks.length).toBeGreaterThan(8);
    expect(examples.length).toBeGreaterThan(8);
    for (const { path, text } of [
      ...blocks,
      ...examples.map((path) => ({ path, text: decodeUnitBytes(readFileSync(path)).ok! })),
    ]) {
      const name = unitName(text.includes('[Container]') ? 'unit@.container' : 'unit@.service');
      const file = parseNamedFile(name, text);
      expect(file.problems, path).toBeUndefined();
      const { ok: needs, problems } = checkFleetOptions(name, file.ok!);
      expect(problems, path).toBeUndefined();
      expect(quadletProblems(name, file.ok!, needs!), path).toEqual([]);
    }
  });

  it('has only links that lead somewhere', () => {
    const broken: string[] = [];
    for (const path of markdown) {
      for (const [, target = '', anchor] of read(path).matchAll(
        /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g,
      )) {
        const resolved = target === '' ? path : normalize(join(dirname(path), target));
        if (!existsSync(resolved)) broken.push(`${path}: ${target}`);
        else if (anchor !== undefined && !anchors(resolved).has(anchor))
          broken.push(`${path}: ${target}#${anchor}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('are all reached from README.md', () => {
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path) || !path.endsWith('.md') || !existsSync(path)) return;
      reached.add(path);
      for (const [, target = ''] of read(path).matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g))
        visit(normalize(join(dirname(path), target)));
    };
    visit('README.md');
    expect(markdown.filter((path) => !reached.has(path))).toEqual([]);
  });
});

function configOf(text: string): object {
  const { config, warnings } = parseConfig({ text, env: {}, uid: 0, standalone: false });
  expect(warnings).toEqual([]);
  return config;
}

describe('the repository', () => {
  it('throws every error code somewhere, or lists it as kept', () => {
    const codes = [...read('src/model/errors.ts').matchAll(/\| '([A-Z_]+)'/g)].map(
      ([, code]) => code!,
    );
    const tables = new Set(['src/model/errors.ts', 'src/api/status.ts', 'cli/exit.ts']);
    const text = source
      .filter((path) => !tables.has(path))
      .map(read)
      .join('\n');
    const kept = new Set(['UNIT_EXISTS_ELSEWHERE']);
    expect(codes.filter((code) => !kept.has(code) && !text.includes(`'${code}'`))).toEqual([]);
  });

  it('names only files that exist in ARCHITECTURE.md', () => {
    const named = [
      ...read('ARCHITECTURE.md').matchAll(
        /`((?:src|agent|cli|lab|test|units|docs)\/[a-z0-9/.-]*)`/g,
      ),
    ];
    expect(named.map(([, path]) => path!).filter((path) => !existsSync(path))).toEqual([]);
  });

  it('opens every source file with a comment that says what it owns', () => {
    const bare = source.filter((path) => !/^(#!.*\n)?\/\/ /.test(read(path)));
    expect(bare).toEqual([]);
  });

  it('has an Invariant for every folder that ARCHITECTURE.md maps', () => {
    const map = read('ARCHITECTURE.md').split('## Code map')[1]!.split('## Cross-cutting')[0]!;
    const folders = map.split('\n\n').filter((part) => part.startsWith('**`'));
    expect(folders.filter((part) => !part.includes('**Invariant:**'))).toEqual([]);
    const top = new Set(
      source.map((path) =>
        path
          .split('/')
          .slice(0, path.startsWith('src/') ? 2 : 1)
          .join('/'),
      ),
    );
    expect([...top].filter((folder) => !map.includes(`**\`${folder}/\`**`))).toEqual([]);
  });

  it('writes exact versions into package.json', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
