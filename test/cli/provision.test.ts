import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readProvisionFile } from '../../src/provision/read.ts';
import { Fleet, runProcess } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';

const directory = tempDir();
const unit = join(directory, 'web.service');
const key = join(directory, 'id.pub');
beforeAll(() => {
  writeFileSync(unit, '[Service]\nExecStart=/bin/sleep infinity\n');
  writeFileSync(key, '# mine\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey me\n');
  writeFileSync(join(directory, 'bad.service'), '[X-Fleet]\nGlobl=true\n');
  writeFileSync(join(directory, 'private'), '-----BEGIN OPENSSH PRIVATE KEY-----\n');
});

/** It is not reached: the command needs no fleet. */
const fleet = new Fleet();
afterAll(async () => {
  await fleet.stop();
});

describe('fleetctl provision', () => {
  it('prints a cloud-config', async () => {
    const words = ['--metadata=role=web', '--etcd', 'http://10.0.0.1:2379', '--hostname=web1'];
    const { status, stdout, stderr } = await runProcess([
      'provision',
      ...words,
      `--unit=${unit}`,
      `--ssh-key=${key}`,
    ]).ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(`#cloud-config
hostname: web1
ssh_authorized_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey me
coreos:
  fleet:
    etcd_servers: http://10.0.0.1:2379
    metadata: role=web
  units:
    - name: fleet.service
      command: start
fleet:
  units:
    - name: web.service
      content: |
        [Service]
        ExecStart=/bin/sleep infinity
`);
  });

  it.for(['cloud-config', 'ignition', 'cloud-init'])(
    'prints what fleetd takes: %s',
    async (format) => {
      const words = ['provision', '--format', format, '--metadata=a=b', '--unit', unit];
      const { stdout } = await fleet.begin(words).ended;
      const options = { addresses: {}, fleetProblem: () => undefined };
      const { problems } = readProvisionFile(stdout, options);
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    },
  );

  it.for([
    [['--format=yaml'], 2, "--format is 'yaml'"],
    [['--hostname=a b'], 2, "'hostname' must be a host name"],
    [[`--unit=${join(directory, 'bad.service')}`], 2, 'Globl'],
    [[`--unit=${join(directory, 'none.service')}`], 1, 'there is no unit file'],
    [[`--ssh-key=${join(directory, 'private')}`], 2, 'holds a private key'],
    [['--ssh-key=none.pub'], 1, "there is no file 'none.pub'"],
  ] as const)('%j', async ([words, status, said]) => {
    const ended = await fleet.begin(['provision', ...words]).ended;
    expect(ended.status).toBe(status);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toContain(said);
  });
});
