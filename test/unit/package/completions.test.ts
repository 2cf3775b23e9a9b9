import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../../cli/definition.ts';
import { globalOptions } from '../../../cli/options.ts';
import { bashCompletion, fishCompletion, zshCompletion } from '../../../lab/package/completions.ts';
import { tempDir } from '../../support/temp-dir.ts';

const dir = tempDir();
const shells = [
  ['bash', bashCompletion()],
  ['zsh', zshCompletion()],
  ['fish', fishCompletion()],
] as const;

describe.each(shells)('the completion for %s', (shell, text) => {
  it('has every command and every option that help shows', () => {
    const options = [...globalOptions, ...commands.flatMap((command) => command.options)];
    const shown = options.filter(({ hidden }) => hidden === undefined).map(({ name }) => name);
    const form = shell === 'fish' ? '-l NAME ' : '--NAME';
    for (const name of shown) expect(text).toContain(form.replace('NAME', name));
    for (const { name } of commands) expect(text).toMatch(new RegExp(`[ ']${name}[):' ]`));
    expect(text).not.toContain('experimental-api');
  });

  const has = spawnSync(shell, ['--version']).status === 0;
  if (!has) process.stderr.write(`skipped: ${shell} is not installed\n`);
  it.skipIf(!has)(`is taken by ${shell}`, () => {
    const file = join(dir, shell);
    writeFileSync(file, text);
    expect(spawnSync(shell, ['-n', file], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });
});

describe('in bash', () => {
  // A fleetctl of one cluster: what it lists is what is offered.
  const fleetctl = join(dir, 'fleetctl');
  beforeAll(() => {
    writeFileSync(
      fleetctl,
      '#!/bin/sh\ncase "$*" in *list-unit-files*) echo web@1.service; echo db.service ;; *list-machines*) echo abc123 ;; esac\n',
    );
    chmodSync(fleetctl, 0o755);
    writeFileSync(join(dir, 'completion'), bashCompletion());
  });

  it.each([
    { typed: 'sta', offered: ['start', 'status'] },
    { typed: 'stop ', offered: ['db.service', 'web@1.service'] },
    { typed: '--tunnel host stop w', offered: ['web@1.service'] },
    { typed: 'evict ', offered: ['abc123'] },
    { typed: 'ssh ', offered: ['abc123', 'db.service', 'web@1.service'] },
    { typed: 'start --no', offered: ['--no-block'] },
    { typed: 'stop --rep', offered: [] },
    { typed: '--driver e', offered: ['etcd'] },
    { typed: 'help des', offered: ['destroy'] },
    { typed: 'list-units ', offered: [] },
  ])("'fleetctl $typed' offers $offered", ({ typed, offered }) => {
    const script = `source '${dir}/completion'; compopt() { :; }
      COMP_WORDS=(fleetctl ${typed}${typed.endsWith(' ') ? "''" : ''}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _fleetctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      encoding: 'utf8',
      cwd: dir,
      env: { PATH: `${dir}:${process.env['PATH'] ?? ''}` },
    });
    expect(stderr).toBe('');
    expect(stdout.split('\n').filter(Boolean).toSorted()).toEqual(offered);
  });
});
