// Containers on two real hosts without a registry: the image is handed to them, units for rkt run by podman.
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
const ARCHIVE = '/root/box.tar';
const LOAD = ['--strict-host-key-checking=false', 'load-image'] as const;

/** As it stands in many an old unit: rkt's own words, and an app that does not listen to SIGTERM. */
const OLD_UNIT = `[Service]
ExecStartPre=-/usr/bin/rkt rm --uuid-file=/run/old.uuid
ExecStart=/usr/bin/rkt --insecure-options=image run --net=host --inherit-env --set-env=WHO=world \\
  --volume=data,kind=host,source=/srv --mount volume=data,target=/data --uuid-file-save=/run/old.uuid \\
  docker://${IMAGE} --exec /bin/sh -- -c "echo hello $\${WHO}; sleep 1000"
ExecStop=-/usr/bin/rkt stop --uuid-file=/run/old.uuid
ExecStopPost=/usr/bin/rkt gc --mark-only
KillMode=mixed
Restart=on-failure
RestartSec=100ms

[X-Fleet]
MachineMetadata=hostname=h1
`;

describe.skipIf(noLab() !== undefined)('containers on two hosts', () => {
  let lab: ContainerLab;
  beforeAll(async () => {
    lab = await startContainerLab(2);
    await lab.makeImage('h1', 'podman');
    await lab.out('h1', 'podman', 'save', '-q', '-o', ARCHIVE, IMAGE);
    await lab.out(
      'h1',
      'sh',
      '-c',
      'mkdir -p -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519',
    );
    const key = await lab.out('h1', 'sh', '-c', 'cat ~/.ssh/id_ed25519.pub');
    await lab.out('h2', 'install', '-d', '-o', 'core', '/home/core/.ssh');
    await lab.write('h2', '/home/core/.ssh/authorized_keys', `${key}\n`);
    for (const host of HOSTS) {
      await lab.out(host, 'install', '-m', '755', '/opt/fleet/units/rkt', '/usr/bin/rkt');
      await lab.out(host, 'systemctl', 'reload', 'fleet');
    }
  });
  afterAll(async () => {
    await lab?.down();
  });

  const idOf = (host: string): Promise<string> => lab.out(host, 'cat', '/etc/machine-id');
  const pods = async (host: string): Promise<number> => {
    const listed = await lab.out(host, 'rkt', 'list');
    return listed.split('\n').length - 1;
  };

  describe('load-image', () => {
    it('hands the file to podman and docker of every machine', async () => {
      const { status, stdout, stderr } = await lab.fleetctl('h1', ...LOAD, ARCHIVE);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const lines = stdout.trim().split('\n');
      expect(lines).toHaveLength(4);
      for (const line of lines)
        expect(line).toMatch(/: (?:podman|docker) has loaded localhost\/busybox:latest$/);
      for (const host of HOSTS)
        for (const runtime of ['podman', 'docker'])
          await lab.out(host, runtime, 'image', 'inspect', IMAGE);
    });

    it('goes to the machines and the runtime that are named', async () => {
      const id = await idOf('h2');
      const { status, stdout } = await lab.fleetctl(
        'h1',
        ...LOAD,
        '--runtime=docker',
        ARCHIVE,
        id.slice(0, 8),
      );
      expect(status).toBe(0);
      expect(stdout).toMatch(new RegExp(`^${id.slice(0, 8)}.*: docker has loaded .*\n$`));
    });

    it('says of each machine why it has not loaded it', async () => {
      await lab.out('h1', 'sh', '-c', 'echo no image > /root/none.tar');
      const { status, stdout, stderr } = await lab.fleetctl('h1', ...LOAD, '/root/none.tar');
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr.match(/: podman: Error: payload does not match/g)).toHaveLength(2);
      expect(stderr).toContain('4 of 4 loads failed');
      const unknown = await lab.fleetctl('h1', 'load-image', ARCHIVE);
      expect(unknown.status).toBe(1);
      expect(unknown.stdout.match(/has loaded/g)).toHaveLength(2); // here
      expect(unknown.stderr.match(/SSH: Host key verification failed.*fleetctl ssh/g)).toHaveLength(
        2,
      );
    });
  });

  describe('rkt by podman', () => {
    const SERVICE = 'old.service';
    const show = (property: string): Promise<string> => lab.show('h1', SERVICE, property);

    it('is seen for what it is', async () => {
      await eventually(async () =>
        (await lab.fleet('list-machines', '--json')).includes('1.30.0+podman4.'),
      );
    });

    it('runs a unit written for rkt, whose journal speaks', async () => {
      await lab.submit(SERVICE, OLD_UNIT);
      await eventually(
        async () => (await lab.fleet('journal', SERVICE)).includes('hello world'),
        SLOW,
      );
      expect(await pods('h1')).toBe(1);
    });

    it('a kill of the pod is a failure that systemd mends', async () => {
      const before = await show('InvocationID');
      await lab.out('h1', 'sh', '-c', 'podman kill -s KILL "rkt-$(cat /run/old.uuid)"');
      await eventually(async () => (await show('InvocationID')) !== before, SLOW);
      await eventually(async () => (await show('ActiveState')) === 'active', SLOW);
    });

    it('a kill of rkt itself leaves no pod behind', async () => {
      await eventually(async () => (await pods('h1')) === 1, SLOW);
      const before = await lab.out('h1', 'cat', '/run/old.uuid');
      await lab.out(
        'h1',
        'sh',
        '-c',
        `kill -KILL "$(systemctl show --value -p MainPID ${SERVICE})"`,
      );
      await eventually(async () => (await lab.out('h1', 'cat', '/run/old.uuid')) !== before, SLOW);
      await eventually(async () => {
        const listed = await lab.out('h1', 'rkt', 'list');
        return listed.split('\n').length === 2 && !listed.includes(before);
      }, SLOW);
    });

    it('restarts', async () => {
      const before = await show('InvocationID');
      await lab.fleet('restart', SERVICE);
      expect(await show('InvocationID')).not.toBe(before);
      expect(await show('Result')).toBe('success');
    });

    it('comes back after a power cut, alone', async () => {
      await eventually(async () => (await pods('h1')) === 1, SLOW);
      await lab.kill('h1');
      await lab.boot('h1');
      await isUp(lab, 'h1', SERVICE);
      await eventually(async () => (await lab.out('h1', 'rkt', 'list')).includes('Up '), SLOW);
      await eventually(async () => (await pods('h1')) === 1, SLOW);
    });

    it('stops in good order and leaves no container', async () => {
      await machines(lab, 'h1', 2);
      await lab.fleet('stop', SERVICE);
      expect([await show('ActiveState'), await show('Result')]).toEqual(['inactive', 'success']);
      expect(await lab.out('h1', 'podman', 'ps', '-aq')).toBe('');
      await lab.fleet('destroy', SERVICE);
    });

    it('refuses what it does not know by its name', async () => {
      const { status, stderr } = await lab.exec('h1', 'rkt', 'run', '--private-users=true', 'a');
      expect({ status, stderr }).toEqual({
        status: 254,
        stderr: "rkt: option '--private-users' of 'run' is not known here\n",
      });
    });
  });
});
