// Every kind of Quadlet file that podman 4.3 can carry out, on a real host: each starts, is there, and is gone again.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IMAGE, SLOW, startContainerLab, type ContainerLab } from '../support/container-lab.ts';
import { eventually } from '../support/eventually.ts';
import { noLab } from '../support/lab.ts';

const FLEET = '[X-Fleet]\nRuntime=podman\n';

function container(lines: string, says: string): string {
  const script = `trap 'exit 0' TERM; ${says}; while :; do sleep 1; done`;
  return `[Container]\n${lines}\nPull=never\nLogDriver=journald\nExec=/bin/sh -c "${script}"\n${FLEET}`;
}

const KUBE = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'cube' },
  spec: {
    containers: [
      {
        name: 'one',
        image: IMAGE,
        imagePullPolicy: 'Never',
        command: [
          '/bin/sh',
          '-c',
          "trap 'exit 0' TERM; echo in the cube; while :; do sleep 1; done",
        ],
      },
    ],
  },
});

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

  const nothingRuns = async (): Promise<void> => {
    expect(await podman('pod', 'ps', '--format', '{{.Name}}')).toBe('');
    expect(await podman('ps', '-a', '--format', '{{.Names}}')).toBe('');
  };

  it('a pod on a network with a volume, and a container in it', async () => {
    await lab.submit('net.network', `[Network]\nSubnet=10.99.0.0/24\n${FLEET}`);
    await lab.submit('data.volume', `[Volume]\nLabel=of=test\n${FLEET}`);
    await lab.submit('app.pod', `[Pod]\nNetwork=net.network\nVolume=data.volume:/data\n${FLEET}`);
    await lab.submit(
      'in.container',
      container(`Image=${IMAGE}\nPod=app.pod`, 'echo in the pod; echo kept > /data/file'),
    );
    await says('in.container', 'in the pod');
    const subnet = '{{(index .Subnets 0).Subnet}}';
    expect(await podman('network', 'inspect', '-f', subnet, 'systemd-net')).toBe('10.99.0.0/24');
    expect(await podman('volume', 'inspect', '-f', '{{.Labels.of}}', 'systemd-data')).toBe('test');
    const inPod = '{{range .Containers}}{{.Name}} {{end}}';
    const members = await podman('pod', 'inspect', '-f', inPod, 'systemd-app');
    expect(members.split(' ')).toContain('systemd-in'); // podman has them in any order
    await eventually(
      async () => (await podman('exec', 'systemd-in', 'cat', '/data/file')) === 'kept',
      SLOW,
    );
    await lab.fleet('stop', 'app.pod');
    for (const service of ['app-pod.service', 'in.service'])
      expect([service, await lab.show('h1', service, 'ActiveState')]).toEqual([
        service,
        'inactive',
      ]);
    await nothingRuns();
    await lab.fleet('destroy', 'in.container', 'app.pod', 'data.volume', 'net.network');
  });

  it('a file of Kubernetes', async () => {
    await lab.write('h1', '/root/kube.yml', KUBE);
    await lab.submit('cube.kube', `[Kube]\nYaml=/root/kube.yml\nLogDriver=journald\n${FLEET}`);
    await says('cube.kube', 'in the cube');
    await lab.fleet('stop', 'cube.kube');
    expect(await lab.show('h1', 'cube.service', 'Result')).toBe('success');
    await nothingRuns();
    await lab.fleet('destroy', 'cube.kube');
  });

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
