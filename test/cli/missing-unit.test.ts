import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UNIT_FILE_MAX_BYTES } from '../../src/model/limits.ts';
import { UNIT_TYPES } from '../../src/unitfile/name.ts';
import { machineId } from '../support/api.ts';
import { Fleet } from '../support/cli.ts';

const TEXT = '[Service]\nExecStart=/bin/sleep 1000\n';
const TYPES = `The types are: ${UNIT_TYPES.join(', ')}.`;

let fleet: Fleet;
let dir: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  fleet = await new Fleet().start();
});
afterEach(async () => {
  await fleet.stop();
  rmSync(dir, { recursive: true });
});

function file(name: string, text = TEXT): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

/** What fleetctl says of it, of which nothing comes. */
async function complaint(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await fleet.run(...words);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  return stderr.replaceAll(`${dir}/`, '');
}

describe('fleetctl start of what is not there', () => {
  it.for([
    ['plain', 'plain', 'plain.service', "its name has no type; did you mean 'plain.service'?"],
    [
      'a.servce',
      'a.servce',
      'a.servce.service',
      "'.servce' is no type of unit; did you mean 'a.service'?",
    ],
    [
      'web.conf',
      'web.conf',
      'web.conf.service',
      "'.conf' is no type of unit; did you mean 'web.conf.service'?",
    ],
  ] as const)("a file '%s' is told of, with a name for it", async ([name, there, unit, why]) => {
    expect(await complaint('start', file(name))).toBe(
      `fleetctl: there is no unit '${unit}' in the cluster, and no file '${unit}'\n` +
        `  The file '${there}' is there, but ${why} ${TYPES}\n`,
    );
  });

  it.for([
    ['b.servce', "'.servce' is no type of unit; did you mean 'b.service'?"],
    ['helo', "Did you mean 'hello.service'?"],
    ['HELLO', "Did you mean 'hello.service'?"],
    ['hello.timer', "Did you mean 'hello.service'?"],
    ['kept', "Did you mean 'keep.service'?"],
    ['wbe@7', "Did you mean 'web@7.service'?"],
    ['db@7', "Give the path of a unit file, or submit the template 'db@.service' first."],
    ['other', 'Give the path of a unit file, or the name of a unit that was submitted.'],
    ['cache.1', 'Give the path of a unit file, or the name of a unit that was submitted.'],
  ] as const)('%s: %s', async ([word, hint]) => {
    file('hello.service');
    file('web@.service');
    file('notes.txt');
    await fleet.run('submit', file('keep.service'));
    expect(await complaint('start', join(dir, word))).toContain(`\n  ${hint}\n`);
  });

  it('says so where there is a directory of that name', async () => {
    mkdirSync(join(dir, 'web.service'));
    expect(await complaint('submit', join(dir, 'web'))).toMatch(
      /, and 'web.service' is a directory\n/,
    );
  });
});

describe('fleetctl submit of what is no unit file', () => {
  it('refuses a pipe without reading it', async () => {
    execFileSync('mkfifo', [join(dir, 'pipe.service')]);
    expect(await complaint('submit', join(dir, 'pipe.service'))).toBe(
      "fleetctl: 'pipe.service' is a pipe, and no unit file\n" +
        '  A unit file is a regular file: its name is the name of the unit.\n',
    );
  });

  it('refuses a device, and a file that is too large, by their kind and size', async () => {
    symlinkSync('/dev/zero', join(dir, 'zero.service'));
    expect(await complaint('submit', join(dir, 'zero.service'))).toContain('is a device');
    const large = file('large.service', `#${'-'.repeat(UNIT_FILE_MAX_BYTES)}`);
    expect(await complaint('submit', large)).toContain(
      `the file 'large.service' has ${UNIT_FILE_MAX_BYTES + 1} bytes; a unit file has at most ${UNIT_FILE_MAX_BYTES}\n`,
    );
  });

  it.for(['', '\n', '# only a comment\n'])('refuses an empty file: %j', async (text) => {
    expect(await complaint('start', file('none.service', text))).toBe(
      "fleetctl: the file of unit 'none.service' is refused: it is empty: it has no section and no option\n" +
        "  Write what the unit is to do, such as '[Service]' and 'ExecStart='.\n",
    );
    expect((await fleet.run('list-unit-files', '--no-legend')).stdout).toBe('');
  });

  it('takes a file that has a section and nothing in it: a target needs no more', async () => {
    expect((await fleet.run('submit', file('all.target', '[Unit]\n'))).status).toBe(0);
  });
});

describe('fleetctl of a unit that does not exist', () => {
  it.for(['explain', 'cat', 'journal', 'status'])('%s names the nearest', async (verb) => {
    await fleet.run('submit', file('hello.service'));
    const of = (name: string) => complaint(verb, name);
    expect(await of('helo')).toBe(
      "fleetctl: unit 'helo.service' does not exist\n  Did you mean 'hello.service'?\n",
    );
    expect(await of('hello.servce')).toBe(
      "fleetctl: unit 'hello.servce.service' does not exist\n  '.servce' is no type of unit; did you mean 'hello.service'?\n",
    );
    expect(await of('nosuch')).toBe(
      "fleetctl: unit 'nosuch.service' does not exist\n  See: fleetctl list-unit-files\n",
    );
  });

  it('explain tells of an orphan by its name, and names it for one like it', async () => {
    await fleet.api.machine(machineId(1));
    const { keys } = fleet.api;
    await fleet.api.put('orphan', keys.orphan(machineId(1), 'left.service' as never), {
      name: 'left.service' as never,
      machine: machineId(1),
      hash: 'x'.repeat(40),
      generation: 1,
      text: TEXT,
      loadState: 'loaded',
      activeState: 'active',
      subState: 'running',
    });
    expect((await fleet.run('explain', 'left')).stdout).toContain('runs it as an orphan');
    expect(await complaint('explain', 'lfet')).toContain("Did you mean 'left.service'?");
  });
});
