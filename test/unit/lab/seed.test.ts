import { mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { etcdSeed, fleetSeed, writeSeed, type SeedOptions } from '../../../lab/seed.ts';

const options: SeedOptions = {
  net: '10.77.1',
  etcdServers: ['http://10.77.1.1:2379'],
  ttl: '3s',
  metadata: 'hostname=%H,disk=ssd',
  config: ['verbosity=1'],
  service: [],
  tcpPort: 54728,
  fleetd: '/opt/fleet/agent/main.ts',
  units: {
    service: 'service',
    socket: 'socket',
    sysusers: 'sysusers',
    tmpfiles: 'tmpfiles',
    provision: 'provision',
    submit: 'submit',
  },
  cloudConfig: undefined,
};

it('fleetSeed gives a provisioned host its cloud-config, and no configuration beside it', () => {
  const cloudConfig =
    '#cloud-config\nhostname: HOST\ncoreos: {fleet: {etcd_servers: ETCD_SERVERS}}\n';
  const files = fleetSeed('h2', { ...options, cloudConfig });
  expect(textOf(files, 'etc/fleet/cloud-config.yaml')).toBe(
    '#cloud-config\nhostname: h2\ncoreos: {fleet: {etcd_servers: http://10.77.1.1:2379}}\n',
  );
  expect(files.map((file) => file.path)).not.toContain('etc/fleet/fleet.conf');
});

it('fleetSeed gives each host its own configuration', () => {
  const conf = textOf(fleetSeed('h2', options), 'etc/fleet/fleet.conf');
  expect(conf.split('\n')).toEqual([
    'etcd_servers=["http://10.77.1.1:2379"]',
    'agent_ttl=3s',
    'metadata=hostname=h2,disk=ssd',
    'public_ip=10.77.1.12',
    'verbosity=1',
    '',
  ]);
});

it('fleetSeed opens the TCP port only where it is asked for', () => {
  const file = 'etc/systemd/system/fleet.socket.d/lab.conf';
  expect(textOf(fleetSeed('h1', options), file)).toContain('ListenStream=54728\n');
  const without = fleetSeed('h1', { ...options, tcpPort: undefined });
  expect(textOf(without, file)).toBe('[Socket]\nListenStream=/run/lab/fleet.sock\n');
});

it('etcdSeed names every member to every member', () => {
  const unit = textOf(
    etcdSeed('h1', ['h1', 'h2', 'h3'], '10.77.1'),
    'etc/systemd/system/etcd.service',
  );
  expect(unit).toContain(
    '--initial-cluster=h1=http://10.77.1.11:2380,h2=http://10.77.1.12:2380,h3=http://10.77.1.13:2380',
  );
});

it('writeSeed writes files with their modes, and links', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'seed-'));
  try {
    await writeSeed(path.join(dir, 'h1'), fleetSeed('h1', options));
    const fleetd = path.join(dir, 'h1/usr/bin/fleetd');
    expect((await stat(fleetd)).mode & 0o777).toBe(0o755);
    expect(await readFile(fleetd, 'utf8')).toContain('exec -a fleetd ');
    const wants = path.join(dir, 'h1/etc/systemd/system/multi-user.target.wants/fleet.service');
    expect(await readlink(wants)).toBe('../fleet.service');
  } finally {
    await rm(dir, { recursive: true });
  }
});

function textOf(files: ReturnType<typeof fleetSeed>, name: string): string {
  const file = files.find((seed) => seed.path === name);
  if (file === undefined || !('text' in file)) throw new Error(`no file '${name}'`);
  return file.text;
}
