// A fault in the engine's planning, on real hosts: it is the fault of one unit, and everything else goes on.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab } from '../support/lab.ts';

const SERVICE = '[Service]\nExecStart=/bin/sleep infinity\n';

describe.skipIf(noLab() !== undefined)('a fleet whose engine throws over one unit', () => {
  it('names it and says so in explain; units start, stop and move all the same', async () => {
    const fleetd = 'test/support/faulty-fleetd-process.ts';
    await withLab({ hosts: 3, name: 'flt', fleetd }, async (lab) => {
      await machines(lab, 'h1', 3);
      for (const name of ['faulty', 'a', 'b', 'c'])
        await lab.write('h1', `/tmp/${name}.service`, SERVICE);
      await lab.fleetctl('h1', 'start', '--no-block', '/tmp/faulty.service');
      await eventually(async () => {
        const { stdout } = await lab.fleetctl('h1', 'explain', 'faulty.service');
        return /fault/.test(stdout);
      });
      const files = ['a', 'b', 'c'].map((name) => `/tmp/${name}.service`);
      const started = await lab.fleetctl('h1', 'start', ...files);
      expect(started).toMatchObject({ status: 0 });
      expect(await lab.fleetctl('h2', 'stop', 'b.service')).toMatchObject({ status: 0 });

      const [host] = Object.keys(await lab.invocations('a.service'));
      const survivor = lab.hosts.find((each) => each !== host)!;
      await lab.kill(host!);
      await eventually(
        async () => Object.keys(await lab.invocations('a.service')).some((each) => each !== host),
        { timeoutMs: 30_000 },
      );
      const destroyed = await lab.fleetctl(survivor, 'destroy', 'faulty.service');
      expect(destroyed).toMatchObject({ status: 0, stdout: 'Destroyed faulty.service\n' });
      const { stdout } = await lab.fleetctl(survivor, 'list-unit-files', '--no-legend');
      expect(stdout).not.toMatch(/faulty/);
    });
  });
});
