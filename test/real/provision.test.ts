import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { noLab, withLab } from '../support/lab.ts';

/** ms; two boots, on a machine that others keep busy. Alone it takes about 20 s. */
const SLOW_MS = 300_000;
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEachTestHasItsOwnKey ops@example';

const cloudConfig = `#cloud-config
hostname: HOST
ssh_authorized_keys: ['${KEY}']
users:
  - {name: ops, groups: [fleet], passwd: '$6$salt$aHashOfCryptWhichNobodyKnows'}
write_files:
  - path: /etc/own/address
    permissions: 0640
    owner: root:ops
    content: $private_ipv4
coreos:
  fleet:
    etcd-servers: ETCD_SERVERS
    agent-ttl: 3s
    metadata: role=web,name=%H
    etcd_password: "a secret"
  update: {group: stable}
  units:
    - name: own.service
      command: start
      enable: true
      content: |
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/true
        [Install]
        WantedBy=multi-user.target
fleet:
  units:
    - name: everywhere.service
      content: |
        [Service]
        ExecStart=/bin/sleep infinity
        [X-Fleet]
        Global=true
    - name: web.service
      content: |
        [Service]
        ExecStart=/bin/sleep infinity
        [X-Fleet]
        MachineMetadata=role=web
`;

/** Fails after others have changed what can be changed. */
const broken = `#cloud-config
hostname: other
users: [{name: fresh}, {name: late, groups: [no-such-group]}]
write_files:
  - {path: /etc/own/address, content: changed}
`;

describe.skipIf(noLab() !== undefined)('a host whose only input is a cloud-config', () => {
  it(
    'boots, joins, and gets its units; the next boot changes nothing',
    async () => {
      await withLab({ hosts: 1, name: 'prv', cloudConfig }, async (lab) => {
        const units = ['everywhere.service', 'web.service', 'own.service'];
        const active = (...names: readonly string[]): Promise<unknown> =>
          eventually(() => lab.out('h1', 'systemctl', 'is-active', ...names), {
            timeoutMs: 30_000,
          });
        await active(...units);
        const listed = await lab.fleetctl(
          'h1',
          'list-machines',
          '--no-legend',
          '--fields=metadata',
        );
        expect(listed.stdout.trim()).toBe('name=h1,role=web');
        const [row] = await lab.rows();
        const look = [
          'stat -c "%a %U:%G" /etc/own/address',
          'cat /etc/own/address; echo',
          'cat ~core/.ssh/authorized_keys',
          'id -nG ops',
          'stat -c %a /etc/fleet/provision.env',
          // What systemd shows to everyone.
          'systemctl show -p Environment fleet | grep -c secret',
          'hostname',
        ];
        expect(
          (await lab.exec('h1', 'sh', '-c', look.join('\n'))).stdout.trim().split('\n'),
        ).toEqual(['640 root:ops', row!.address, KEY, 'ops fleet', '600', '0', 'h1']);
        expect(await lab.journal('h1', '-u', 'fleet-provision')).toMatch(
          /warning: 'coreos.update' is not/,
        );

        const again = await lab.exec('h1', 'fleetd', 'provision', '--boot');
        expect(again.stdout).toMatch(
          /^nothing to change: this host is as \/etc\/fleet\/cloud-config.yaml wants/,
        );

        const before = await files();
        await lab.write('h1', '/tmp/broken.yaml', broken);
        const failed = await lab.exec('h1', 'fleetd', 'provision', '/tmp/broken.yaml');
        expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('was undone') });
        expect(await lab.out('h1', 'sh', '-c', 'hostname; getent passwd fresh; true')).toBe('h1');

        await lab.fleetctl('h1', 'destroy', 'web.service');
        await lab.halt('h1');
        await lab.boot('h1');
        await active('everywhere.service', 'own.service');
        await eventually(async () => {
          const submit = await lab.out(
            'h1',
            'systemctl',
            'show',
            '-p',
            'ActiveState,Result',
            'fleet-submit',
          );
          return submit.split('\n').toSorted().join() === 'ActiveState=inactive,Result=success';
        });
        const said = await lab.journal('h1', '-u', 'fleet-provision', '-o', 'cat', '_COMM=fleetd');
        expect(
          said.split('\n').filter((line) => /^(write|rewrite|add|give|set|enable) /.test(line)),
        ).toEqual([]);
        expect(await files()).toBe(before);
        // What was destroyed since is not brought back by a host that boots.
        const names = await lab.fleetctl('h1', 'list-unit-files', '--no-legend', '--fields=unit');
        expect(names.stdout.trim()).toBe('everywhere.service');

        function files(): Promise<string> {
          const all =
            'find /etc/own /etc/fleet /etc/systemd/system -type f -printf "%p %i %C@\\n" | sort';
          return lab.out('h1', 'sh', '-c', all);
        }
      });
    },
    SLOW_MS,
  );
});
