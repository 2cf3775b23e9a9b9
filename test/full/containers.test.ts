// Quadlet files on real hosts with Debian's podman and docker: they start, speak, stop, die, come back, and leave nothing.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  IMAGE,
  SLOW,
  isUp as isUpOn,
  startContainerLab,
  type ContainerLab,
} from '../support/container-lab.ts';
import { eventually } from '../support/eventually.ts';
import { machines, noLab } from '../support/lab.ts';

const RUNTIMES = ['podman', 'docker'] as const;
type Runtime = (typeof RUNTIMES)[number];

/** Ends when it is asked to; says when it begins. podman's own driver is the journal, the lab's is not. */
function container(runtime: Runtime, more = ''): string {
  return `[Container]
Image=${IMAGE}
Pull=never
Exec=sh -c "trap 'exit 0' TERM; echo ${runtime} says hello; while :; do sleep 1; done"
Volume=${runtime}-data.volume:/data
Network=none
${runtime === 'podman' ? 'LogDriver=journald\n' : ''}${more}
[Service]
Restart=on-failure
RestartSec=100ms

[X-Fleet]
Runtime=${runtime}
`;
}

describe.skipIf(noLab() !== undefined)('Quadlet files on a host', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    lab = await startContainerLab(1);
    for (const runtime of RUNTIMES) await lab.makeImage('h1', runtime);
  });
  afterAll(async () => {
    await lab?.down();
  });

  const show = (unit: string, property: string): Promise<string> => lab.show('h1', unit, property);
  const fleetctl = (...args: readonly string[]): Promise<string> => lab.fleet(...args);
  const submit = (name: string, text: string, verb?: string): Promise<string> =>
    lab.submit(name, text, verb);
  const containers = async (runtime: Runtime): Promise<readonly string[]> => {
    const listed = await lab.out('h1', runtime, 'ps', '-a', '--format', '{{.Names}}');
    return listed.split('\n').filter((line) => line !== '');
  };
  const isUp = (unit: string): Promise<true> => isUpOn(lab, 'h1', unit);

  it('the host says what it has', async () => {
    const [machine] = JSON.parse(await fleetctl('list-machines', '--json')) as {
      capabilities: object;
    }[];
    expect(machine?.capabilities).toMatchObject({
      podman: expect.stringMatching(/^4\./),
      docker: expect.stringMatching(/^20\.10/),
    });
  });

  it('a unit for rkt waits, and says for what', async () => {
    await submit('far.container', '[Container]\nImage=a.b/c\n[X-Fleet]\nRuntime=rkt\n', 'submit');
    await lab.fleetctl('h1', 'start', '--no-block', 'far.container');
    await eventually(async () => (await fleetctl('explain', 'far.container')).includes('no rkt'));
    await fleetctl('destroy', 'far.container');
  });

  describe.for(RUNTIMES)('%s', (runtime) => {
    const [unit, name] = [`${runtime}-web.container`, `systemd-${runtime}-web`];
    const service = `${runtime}-web.service`;

    it('starts it with its volume, and its journal speaks', async () => {
      await submit(`${runtime}-data.volume`, `[Volume]\n[X-Fleet]\nRuntime=${runtime}\n`);
      await submit(unit, container(runtime));
      expect(await show(service, 'ActiveState')).toBe('active');
      await eventually(async () => (await containers(runtime)).includes(name), SLOW);
      await eventually(
        async () => (await fleetctl('journal', unit)).includes(`${runtime} says hello`),
        SLOW,
      );
      const listed = await fleetctl('list-units', '--no-legend', '--fields', 'unit,sub');
      expect(listed).toMatch(new RegExp(`^${unit}\\s+running$`, 'm'));
      await lab.out('h1', runtime, 'exec', name, 'sh', '-c', 'echo kept > /data/file');
    });

    it('a restart of fleetd touches nothing', async () => {
      const before = await show(service, 'InvocationID');
      await lab.out('h1', 'systemctl', 'restart', 'fleet');
      await machines(lab, 'h1', 1);
      expect(await show(service, 'InvocationID')).toBe(before);
    });

    it('restart makes another container of it, with what was kept', async () => {
      const id = (): Promise<string> => lab.out('h1', runtime, 'inspect', '-f', '{{.Id}}', name);
      const before = await id();
      await fleetctl('restart', unit);
      await isUp(service);
      await eventually(async () => (await id()) !== before, SLOW);
      await eventually(
        async () => (await lab.out('h1', runtime, 'exec', name, 'cat', '/data/file')) === 'kept',
        SLOW,
      );
    });

    it('systemd brings back one that is killed', async () => {
      const before = await show(service, 'InvocationID');
      await lab.out('h1', runtime, 'kill', '-s', 'KILL', name);
      await eventually(async () => {
        const now = await show(service, 'InvocationID');
        return now !== before && (await show(service, 'ActiveState')) === 'active';
      }, SLOW);
    });

    it('comes back after a power cut, whatever name was left', async () => {
      await lab.kill('h1');
      await lab.boot('h1');
      await isUp(service);
      await eventually(async () => (await containers(runtime)).includes(name), SLOW);
    });

    it('stops in good order and leaves no container', async () => {
      await fleetctl('stop', unit);
      expect(await show(service, 'ActiveState')).toBe('inactive');
      expect(await show(service, 'Result')).toBe('success');
      expect(await containers(runtime)).not.toContain(name);
      await fleetctl('destroy', unit, `${runtime}-data.volume`);
      await eventually(async () => (await show(service, 'LoadState')) === 'not-found', SLOW);
    });
  });
});
