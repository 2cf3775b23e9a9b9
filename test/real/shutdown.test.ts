// A host that shuts down: systemd ends fleetd before the sockets, paths and mounts that it was started behind, which fleetd has to stop.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab } from '../support/lab.ts';

const UNITS: Readonly<Record<string, string>> = {
  'echo.service': '[Service]\nExecStart=/bin/sleep infinity\n',
  'echo.socket': '[Socket]\nListenStream=/run/echo.sock\n',
  'watch.service': '[Service]\nExecStart=/bin/sleep infinity\n',
  'watch.path': '[Path]\nPathExists=/run/none\n',
  'run-shelf.mount': '[Mount]\nWhat=tmpfs\nWhere=/run/shelf\nType=tmpfs\n',
  'tick.service': '[Service]\nExecStart=/bin/true\n',
  'tick.timer': '[Timer]\nOnActiveSec=1h\n',
  'shelf.slice': '[Slice]\n',
};
const here = '[X-Fleet]\nMachineMetadata=host=h1\n';

describe.skipIf(noLab() !== undefined)('a host of a fleet', () => {
  it('shuts down with units of every type on it, and one that hangs in its start', async () => {
    await withLab({ hosts: 2, name: 'shut', metadata: 'host=%H' }, async (lab) => {
      await machines(lab, 'h1', 2);
      const units = {
        ...UNITS,
        'hang.service':
          '[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sleep inf\n',
      };
      for (const [name, text] of Object.entries(units))
        await lab.write('h1', `/tmp/${name}`, text + here);
      const files = Object.keys(UNITS).map((name) => `/tmp/${name}`);
      const isService = (file: string): boolean => file.endsWith('.service');
      for (const [verb, some] of [
        ['load', files.filter(isService)],
        ['start', files.filter((file) => !isService(file))],
      ] as const)
        expect(await lab.fleetctl('h1', verb, ...some)).toMatchObject({ status: 0 });
      await lab.fleetctl('h1', 'start', 'watch.service');
      await lab.fleetctl('h1', 'start', '--no-block', '/tmp/hang.service');
      await eventually(
        async () =>
          (await lab.exec('h1', 'systemctl', 'is-active', 'hang')).stdout.trim() === 'activating',
      );
      const began = performance.now();
      await lab.halt('h1');
      expect(performance.now() - began).toBeLessThan(20_000);
      // It has left in good order: nobody had to wait for its ttl, and its keys are handed over.
      await machines(lab, 'h2', 1);
      const { stdout } = await lab.fleetctl('h2', 'list-units', '--no-legend');
      expect(stdout).toBe('');
    });
  });
});
