// FLEET_GENERATION on real hosts. What a host starts that boots without the store: test/full/survival.test.ts, and the fault of that kind.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { machines, noLab, withLab } from '../support/lab.ts';

describe.skipIf(noLab() !== undefined)('the fencing token', () => {
  it('FLEET_GENERATION grows over restarts, moves and a recreated name', async () => {
    await withLab({ hosts: 2, name: 'gen', ttl: '3s' }, async (lab) => {
      await machines(lab, 'h1', 2);
      const text = (metadata: string): string =>
        `[Service]\nExecStart=/bin/sh -c 'echo token=$FLEET_GENERATION; exec sleep infinity'\n` +
        `[X-Fleet]\nFence=yes\nMachineMetadata=hostname=${metadata}\n`;
      const seen: number[] = [];
      const next = async (host: string): Promise<void> => {
        const printed = async (): Promise<number[]> => {
          const log = await lab.journal(host, '-u', 'f.service', '-o', 'cat');
          return [...log.matchAll(/^token=(\d+)$/gm)].map(([, token]) => Number(token));
        };
        seen.push(
          await eventually(async () => {
            const last = (await printed()).at(-1);
            return last !== undefined && !seen.includes(last) && last;
          }),
        );
      };
      const fleetctl = async (...args: readonly string[]): Promise<void> => {
        const ended = await lab.fleetctl('h1', ...args);
        if (ended.status !== 0) throw new Error(`${args.join(' ')}: ${ended.stderr}`);
      };
      await lab.write('h1', '/root/f.service', text('h1'));
      await fleetctl('start', '/root/f.service');
      await next('h1');
      await fleetctl('stop', 'f.service');
      await fleetctl('start', 'f.service');
      await next('h1');
      await lab.write('h1', '/root/f.service', text('h2'));
      await fleetctl('start', '--replace', '/root/f.service');
      await next('h2');
      await fleetctl('destroy', 'f.service');
      await fleetctl('start', '/root/f.service');
      await next('h2');
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
      expect(seen).toHaveLength(4);
    });
  });
});
