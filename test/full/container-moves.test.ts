// Containers on several real hosts: what ran on a host that is gone runs on another, and each goes where its runtime is.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  IMAGE,
  SLOW,
  isUp,
  startContainerLab,
  type ContainerLab,
} from '../support/container-lab.ts';
import { eventually } from '../support/eventually.ts';
import { machines, noLab } from '../support/lab.ts';

const HOSTS = ['h1', 'h2'] as const;

function container(runtime: string, fleet = ''): string {
  return `[Container]
Image=${IMAGE}
Pull=never
Entrypoint=/bin/sh
Exec=-c "trap 'exit 0' TERM; echo ${runtime} says hello; while :; do sleep 1; done"
Network=none
${runtime === 'podman' ? 'LogDriver=journald\n' : ''}
[X-Fleet]
Runtime=${runtime}
${fleet}`;
}

describe.skipIf(noLab() !== undefined)('containers of a cluster', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    lab = await startContainerLab(2, '10s'); // these hosts are busy: a shorter one would be missed
    for (const host of HOSTS) {
      await lab.makeImage(host, 'podman');
      await lab.makeImage(host, 'docker');
      await lab.out(host, 'install', '-m', '755', '/opt/fleet/units/rkt', '/usr/bin/rkt');
      await lab.out(host, 'systemctl', 'reload', 'fleet');
    }
    await seen(() => true);
  });
  afterAll(async () => {
    await lab?.down();
  });

  /** Waits until the cluster knows of exactly these runtimes. */
  const seen = (has: (host: string, runtime: string) => boolean): Promise<true> =>
    eventually(async () => {
      const listed = JSON.parse(await lab.fleet('list-machines', '--json')) as {
        metadata: Record<string, string>;
        capabilities: Record<string, string>;
      }[];
      return HOSTS.every((host) => {
        const machine = listed.find(({ metadata }) => metadata['hostname'] === host);
        return ['podman', 'docker', 'rkt'].every(
          (runtime) => has(host, runtime) === (machine?.capabilities[runtime] !== undefined),
        );
      });
    }, SLOW);
  const says = (host: string, unit: string, text: string): Promise<true> =>
    eventually(
      async () => (await lab.fleetctl(host, 'journal', unit)).stdout.includes(text), // there: without SSH
      SLOW,
    );
  const isGone = (host: string, service: string): Promise<true> =>
    eventually(async () => (await lab.show(host, service, 'LoadState')) === 'not-found', SLOW);

  it.for(['podman', 'docker', 'rkt'])(
    'what a host that is gone ran by %s runs on another',
    async (runtime) => {
      const [unit, service] = [`moved-${runtime}.container`, `moved-${runtime}.service`];
      await lab.submit(
        'there.service',
        '[Service]\nExecStart=/bin/sleep infinity\n[X-Fleet]\nMachineMetadata=hostname=h1\n',
      );
      // h1 is not for it yet.
      await lab.submit(unit, container(runtime, 'Conflicts=there.service\n'));
      await isUp(lab, 'h2', service);
      await lab.fleet('destroy', 'there.service');
      await lab.kill('h2');
      await isUp(lab, 'h1', service);
      await says('h1', unit, `${runtime} says hello`);
      await lab.boot('h2');
      await machines(lab, 'h1', 2);
      expect(await lab.show('h2', service, 'ActiveState')).toBe('inactive');
      await lab.fleet('destroy', unit);
      await isGone('h1', service);
    },
  );

  it('docker is started by its socket, also after a power cut', async () => {
    await lab.out('h2', 'systemctl', 'disable', '--now', 'docker.service');
    await lab.out('h2', 'systemctl', 'enable', '--now', 'docker.socket');
    await lab.out('h2', 'systemctl', 'reload', 'fleet');
    expect(await lab.show('h2', 'docker.service', 'ActiveState')).toBe('inactive');
    await seen(() => true);
    await lab.submit('by-socket.container', container('docker', 'MachineMetadata=hostname=h2\n'));
    await isUp(lab, 'h2', 'docker.service');
    await says('h2', 'by-socket.container', 'docker says hello');
    await lab.kill('h2');
    await lab.boot('h2');
    await isUp(lab, 'h2', 'by-socket.service');
    await isUp(lab, 'h2', 'docker.service');
    await eventually(
      async () => (await lab.out('h2', 'docker', 'ps', '--format', '{{.Names}}')) !== '',
      SLOW,
    );
    await machines(lab, 'h1', 2);
    await lab.fleet('destroy', 'by-socket.container');
    await isGone('h2', 'by-socket.service');
  });

  it('each goes where its runtime is', async () => {
    await lab.out('h1', 'chmod', '-x', '/usr/bin/docker');
    await lab.out('h2', 'chmod', '-x', '/usr/bin/podman', '/usr/bin/rkt');
    for (const host of HOSTS) await lab.out(host, 'systemctl', 'reload', 'fleet');
    await seen((host, runtime) => (host === 'h2') === (runtime === 'docker'));
    await lab.submit('of-podman.container', container('podman'));
    await lab.submit('of-docker.container', container('docker'));
    await isUp(lab, 'h1', 'of-podman.service');
    await isUp(lab, 'h2', 'of-docker.service');
    await lab.submit(
      'of-none.container',
      container('docker', 'MachineMetadata=hostname=h1\n'),
      'submit',
    );
    await lab.fleetctl('h1', 'start', '--no-block', 'of-none.container');
    await eventually(async () =>
      (await lab.fleet('explain', 'of-none.container')).includes('has no docker'),
    );
    await lab.fleet('destroy', 'of-podman.container', 'of-docker.container', 'of-none.container');
  });
});
