import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Fleet } from '../support/cli.ts';

it('fleetctl starts and destroys 500 units in one go', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'fleetctl-'));
  const fleet = (await new Fleet().start()).lead();
  try {
    await fleet.host(1);
    writeFileSync(join(dir, 'many@.service'), '[Service]\nExecStart=/bin/sleep 1000\n');
    const paths = Array.from({ length: 500 }, (_, i) => join(dir, `many@${i}.service`));
    const { status, stdout, stderr } = await fleet.run('start', ...paths);
    expect({ status, stderr, lines: stdout.split('\n').length }).toEqual({
      status: 0,
      stderr: '',
      lines: 501,
    });
    expect((await fleet.run('destroy', 'many@*')).status).toBe(0);
    expect((await fleet.run('list-unit-files', '--no-legend')).stdout).toBe('');
  } finally {
    await fleet.stop();
    rmSync(dir, { recursive: true });
  }
});
