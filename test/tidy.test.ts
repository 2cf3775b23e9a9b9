// The repository about itself: what is documented is what there is.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(path));
const read = (path: string): string => readFileSync(path, 'utf8');
const markdown = files.filter((path) => path.endsWith('.md'));
const source = files.filter((path) => /^(src|agent|cli)\/.*\.ts$/.test(path));

describe('the repository', () => {
  it('documents every error code', () => {
    const codes = [...read('src/model/errors.ts').matchAll(/\| '([A-Z_]+)'/g)].map(
      ([, code]) => code!,
    );
    expect(codes.length).toBeGreaterThan(20);
    const documented = read('docs/errors.md');
    expect(codes.filter((code) => !documented.includes(`\`${code}\``))).toEqual([]);
  });

  it('throws every error code somewhere, or lists it as kept', () => {
    const codes = [...read('src/model/errors.ts').matchAll(/\| '([A-Z_]+)'/g)].map(
      ([, code]) => code!,
    );
    const tables = new Set(['src/model/errors.ts', 'src/api/status.ts', 'cli/exit.ts']);
    const text = source
      .filter((path) => !tables.has(path))
      .map(read)
      .join('\n');
    const kept = new Set(['UNIT_EXISTS_ELSEWHERE', 'CLUSTER_FORMAT_UNKNOWN']);
    expect(codes.filter((code) => !kept.has(code) && !text.includes(`'${code}'`))).toEqual([]);
  });

  it('has only links that lead somewhere', () => {
    const broken: string[] = [];
    for (const path of markdown) {
      for (const [, target = ''] of read(path).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
        const resolved = normalize(join(dirname(path), target));
        if (!existsSync(resolved)) broken.push(`${path}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
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
