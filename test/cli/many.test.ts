import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { Fleet } from '../support/cli.ts';

it('fleetctl starts and destroys 200 units in one go', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  const fleet = (await new Fleet().start()).lead();
  try {
    await fleet.host(1);
    writeFileSync(join(dir, 'many@.service'), '[Service]\nExecStart=/bin/sleep 1000\n');
    const paths = Array.from({ length: 200 }, (_, i) => join(dir, `many@${i}.service`));
    const { status, stdout, stderr } = await fleet.run('start', ...paths);
    expect({ status, stderr, lines: stdout.split('\n').length }).toEqual({
      status: 0,
      stderr: '',
      lines: 201,
    });
    // What is there already is found in two listings, with its states and by the sum of its text.
    expect(await fleet.run('start', '--replace', ...paths)).toMatchObject({
      status: 0,
      stderr: '',
    });
    writeFileSync(join(dir, 'many@.service'), '[Service]\nExecStart=/bin/sleep 2000\n');
    const differs = await fleet.run('load', '--no-block', ...paths);
    expect(differs.stderr.match(/differs from the local file/g)).toHaveLength(200);
    const names = paths.map((path) => basename(path));
    const stopped = await fleet.run('stop', ...names, 'many@none.service');
    expect(stopped.stdout).toContain('Unit many@none.service does not exist\n');
    expect(await fleet.run('stop', ...names)).toMatchObject({ status: 0, stderr: '' });
    const states = (await fleet.run('list-units', '--no-legend', '--fields=active')).stdout;
    expect(new Set(states.trim().split('\n'))).toEqual(new Set(['inactive']));
    const destroyed = await fleet.run('--debug', 'destroy', 'many@*');
    expect(destroyed.status).toBe(0);
    expect(destroyed.stderr.match(/POST \/fleet\/v2\/units of/g)).toHaveLength(4);
    expect(destroyed.stderr).not.toContain('/fleet/v2/units/');
    expect((await fleet.run('list-unit-files', '--no-legend')).stdout).toBe('');
  } finally {
    await fleet.stop();
    rmSync(dir, { recursive: true });
  }
});
