import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labNamed, labScript, run } from '../../lab/script.ts';
import { eventually } from '../support/eventually.ts';
import { ofEachKind } from '../support/of-each-kind.ts';
import { noLab, startLab, withLab } from '../support/lab.ts';

describe.skipIf(noLab() !== undefined)('lab', () => {
  describe('of three hosts', () => {
    let lab: Awaited<ReturnType<typeof startLab>>;
    beforeAll(async () => {
      lab = await startLab({ hosts: 3, etcd: 'none', fleet: false, name: 'one' });
    });
    afterAll(async () => {
      expect(await leftOf(lab.name)).not.toEqual([]);
      await lab.down();
      expect(await eventually(async () => (await leftOf(lab.name)).length === 0)).toBe(true);
    });

    it('gives each a systemd, machine-id, name, address and journal of its own; down leaves nothing', async () => {
      const rows = await lab.rows();
      expect(rows.map((row) => row.state)).toEqual(['running', 'running', 'running']);
      expect(new Set(rows.map((row) => row.machineId)).size).toBe(3);
      expect(new Set(rows.map((row) => row.address)).size).toBe(3);
      for (const row of rows) {
        expect(await lab.out(row.host, 'cat', '/etc/machine-id')).toBe(row.machineId);
        expect(await lab.out(row.host, 'hostname')).toBe(row.host);
        expect(await lab.out(row.host, 'cat', '/proc/1/comm')).toBe('systemd');
      }
      expect((await lab.exec('h1', 'sh', '-c', 'exit 7')).status).toBe(7);

      await lab.out('h1', 'systemd-run', '--unit', 'probe', 'echo', 'heard on h1');
      await eventually(async () =>
        (await lab.journal('h1', '-u', 'probe')).includes('heard on h1'),
      );
      expect(await lab.journal('h2', '-u', 'probe')).not.toContain('heard on h1');
    });

    it('invocations tells a unit that was restarted from one that was not', async () => {
      await lab.out('h1', 'systemd-run', '--unit', 'long', 'sleep', '1000');
      const before = await lab.invocations('long.service');
      expect(Object.keys(before)).toEqual(['h1']);
      expect(await lab.invocations('long.service')).toEqual(before);
      await lab.out('h1', 'systemctl', 'restart', 'long.service');
      expect(await lab.invocations('long.service')).not.toEqual(before);
    });

    it('cut loses packets in silence, for a host or a pair, and heal gives them back', async () => {
      const reaches = async (from: string, to: string): Promise<boolean> =>
        (await lab.exec(from, 'ping', '-c', '1', '-W', '1', to)).status === 0;
      expect(await reaches('h1', 'h2')).toBe(true);

      await lab.cut('h1');
      expect(await reaches('h1', 'h2')).toBe(false);
      expect(await reaches('h3', 'h2')).toBe(true);
      expect(await lab.out('h1', 'cat', '/sys/class/net/eth0/carrier')).toBe('1');
      await lab.heal('h1');
      await eventually(() => reaches('h1', 'h2'));

      await lab.cut('h1', 'h2');
      expect(await reaches('h1', 'h2')).toBe(false);
      expect(await reaches('h1', 'h3')).toBe(true);
      await lab.heal('h1', 'h2');
      await eventually(() => reaches('h1', 'h2'));

      // One way: a ping gets no answer either way, and only the host itself knows whether it came.
      const pinged = async (): Promise<number> => {
        const counters = await lab.out('h1', 'grep', '^Icmp: [0-9]', '/proc/net/snmp');
        return Number(counters.split(' ')[9]); // InEchos
      };
      const before = await pinged();
      await lab.cut('h1', 'out');
      expect(await reaches('h2', 'h1')).toBe(false);
      expect(await pinged()).toBe(before + 1);
      await lab.heal('h1', 'out');
      await eventually(() => reaches('h2', 'h1'));
      await lab.cut('h1', 'in');
      const deafSince = await pinged();
      expect(await reaches('h2', 'h1')).toBe(false);
      expect(await pinged()).toBe(deafSince);
      await lab.heal('h1', 'in');
      await eventually(() => reaches('h2', 'h1'));
    });
  });

  it('kill and boot keep disk and machine-id, and change the boot id', async () => {
    await withLab({ hosts: 1, etcd: 'none', fleet: false, name: 'kill' }, async (lab) => {
      const [before] = await lab.rows();
      const bootId = await lab.out('h1', 'cat', '/proc/sys/kernel/random/boot_id');
      await lab.write('h1', '/root/kept', 'kept\n');
      await lab.kill('h1');
      expect((await lab.rows())[0]?.state).toBe('off');
      await lab.boot('h1');
      expect(await lab.rows()).toEqual([before]);
      expect(await lab.out('h1', 'cat', '/root/kept')).toBe('kept');
      expect(await lab.out('h1', 'cat', '/proc/sys/kernel/random/boot_id')).not.toBe(bootId);
      await lab.halt('h1');
      expect((await lab.rows())[0]?.state).toBe('off');
    });
  });

  it('an etcd member on each of three hosts bears the loss of one', async () => {
    await withLab({ hosts: 3, etcd: 'each', fleet: false, name: 'etcd' }, async (lab) => {
      await etcdctl('h1', 'put', 'key', 'one');
      await lab.kill('h1');
      await eventually(() => etcdctl('h2', 'put', 'key', 'two'));
      await lab.boot('h1');
      await eventually(async () => (await etcdctl('h1', 'get', 'key')).includes('two'));

      function etcdctl(host: string, ...args: readonly string[]): Promise<string> {
        return lab.out(host, 'env', 'ETCDCTL_API=3', 'etcdctl', ...args);
      }
    });
  });

  it('the shared etcd can be paused and killed, and keeps its data', async () => {
    await withLab({ hosts: 1, etcd: 'shared', fleet: false, name: 'shar' }, async (lab) => {
      const [row] = await lab.rows();
      const server = `${row!.address.replace(/\.\d+$/, '.1')}:2379`;
      const call = ['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints', server];
      const etcdctl = (...args: readonly string[]): Promise<string> =>
        lab.out('h1', ...call, '--command-timeout', '1s', ...args);
      await etcdctl('put', 'key', 'one');
      await lab.etcd('pause');
      await expect(etcdctl('get', 'key')).rejects.toThrow();
      await lab.etcd('resume');
      await eventually(async () => (await etcdctl('get', 'key')).includes('one'));
      await lab.etcd('kill');
      await lab.etcd('start');
      expect(await etcdctl('get', 'key')).toContain('one');
    });
  });

  it.for(ofEachKind(1, [300, 100, 600]))(
    'down leaves nothing of an up killed after %i ms',
    async (ms) => {
      const lab = labNamed(`mid${ms}`);
      const child = spawn('./lab/lab.sh', ['up', '3'], {
        env: { ...process.env, LAB: lab.name },
        stdio: 'ignore',
      });
      await delay(ms); // not a wait for something: the moment at which it is killed
      child.kill('SIGKILL');
      await labScript(lab, ['down']);
      expect(await eventually(async () => (await leftOf(lab.name)).length === 0)).toBe(true);
    },
  );

  it('refuses a name that is none', async () => {
    await expect(labScript(labNamed('../x'), ['ls'])).rejects.toThrow('small letters and digits');
  });
});

/** What there is on this machine by the lab's name: processes, mounts, cgroups, links, namespaces, tables, files. */
async function leftOf(name: string): Promise<string[]> {
  const look = `
    ps -eo pid,args | grep -E 'lab.sh' | grep -v grep | while read pid rest; do tr '\\0' '\\n' < /proc/$pid/environ; done | grep -x LAB=${name}
    cat /proc/*/cgroup | grep -F fleet-lab.${name}.
    grep -F /${name}/ /proc/*/mountinfo
    find /sys/fs/cgroup -maxdepth 2 -name 'fleet-lab.${name}.*'
    ip -o link | grep -F " ${name}-"
    ip netns list | grep "^${name}-"
    nft list tables | grep -w fleet_lab_${name}
    ls -d /var/lib/fleet-lab/${name}
    true`;
  const ended = await run('bash', ['-c', look]);
  return ended.stdout.split('\n').filter((line) => line !== '');
}
