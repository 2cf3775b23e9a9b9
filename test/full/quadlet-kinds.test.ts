// Quadlet files that make images, on a real host with podman 4.3.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IMAGE, SLOW, startContainerLab, type ContainerLab } from '../support/container-lab.ts';
import { eventually } from '../support/eventually.ts';
import { noLab } from '../support/lab.ts';

const FLEET = '[X-Fleet]\nRuntime=podman\n';

function container(lines: string, says: string): string {
  const script = `trap 'exit 0' TERM; ${says}; while :; do sleep 1; done`;
  return `[Container]\n${lines}\nPull=never\nLogDriver=journald\nExec=/bin/sh -c "${script}"\n${FLEET}`;
}

describe.skipIf(noLab() !== undefined)('the kinds of Quadlet files with podman 4.3', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    lab = await startContainerLab(1);
    await lab.makeImage('h1', 'podman');
    // In the lab some cgroup hierarchies are read-only: the cgroup of a pod is for systemd to make.
    await lab.out('h1', 'mkdir', '-p', '/etc/containers', '/root/build');
    await lab.write(
      'h1',
      '/etc/containers/containers.conf',
      '[engine]\ncgroup_manager="systemd"\n',
    );
  });
  afterAll(async () => {
    await lab?.down();
  });

  const podman = (...args: readonly string[]): Promise<string> => lab.out('h1', 'podman', ...args);
  const says = (unit: string, text: string): Promise<true> =>
    eventually(async () => (await lab.fleet('journal', '-n', '200', unit)).includes(text), SLOW);

  it('an image that is built, and a container of it', async () => {
    await lab.write('h1', '/root/build/Containerfile', `FROM ${IMAGE}\nCOPY made /made\n`);
    await lab.write('h1', '/root/build/made', 'made here\n');
    await lab.submit(
      'made.build',
      `[Build]\nImageTag=localhost/made:latest\nSetWorkingDirectory=/root/build\nPull=never\n${FLEET}`,
    );
    await lab.submit('built.container', container('Image=made.build', 'cat /made'));
    await says('built.container', 'made here');
    await lab.fleet('destroy', 'built.container', 'made.build');
  });

  it('an image that is pulled, from an archive, and a container of it', async () => {
    await podman('save', '-q', '-o', '/root/box.tar', IMAGE);
    await podman('rmi', '-f', IMAGE);
    await lab.submit(
      'box.image',
      `[Image]\nImage=docker-archive:/root/box.tar\nImageTag=${IMAGE}\n${FLEET}`,
    );
    await podman('image', 'exists', IMAGE);
    await lab.submit('pulled.container', container('Image=box.image', 'echo pulled'));
    await says('pulled.container', 'pulled');
    await lab.fleet('destroy', 'pulled.container', 'box.image');
  });

  it('a key that is newer than its podman fails the start, and podman says which', async () => {
    await lab.submit('new.volume', `[Volume]\nUID=1\n${FLEET}`, 'submit');
    const { status } = await lab.fleetctl('h1', 'start', 'new.volume');
    expect(status).toBe(1);
    await says('new.volume', 'unknown flag: --uid');
  });
});
