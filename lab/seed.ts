// What stands on the disk of a new host, as data: fleet run from its sources, its units, its configuration, an etcd member.
// Invariant: pure; writeSeed is the one function that touches a disk.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { nodeOptions } from '../agent/node-options.ts';

/** A file with its mode, or a link. */
export type SeedFile =
  Readonly<{ path: string; text: string; mode: number }> | Readonly<{ path: string; link: string }>;

export interface SeedOptions {
  /** First three numbers of the lab's addresses. */
  readonly net: string;
  readonly etcdServers: readonly string[];
  /** Such as 30s; fleet.conf's agent_ttl. */
  readonly ttl: string;
  /** fleet.conf's metadata; %H stands for the host's name. */
  readonly metadata: string;
  /** More lines for fleet.conf. */
  readonly config: readonly string[];
  /** More lines for fleet.service's [Service]. */
  readonly service: readonly string[];
  /** TCP port of the API on every host, without which it is on the unix sockets only. */
  readonly tcpPort: number | undefined;
  /** What `fleetd` runs, as hosts see it. */
  readonly fleetd: string;
  /** Texts of the project's own unit files. */
  readonly units: Readonly<{
    service: string;
    socket: string;
    sysusers: string;
    tmpfiles: string;
    provision: string;
    submit: string;
  }>;
  /** In place of fleet.conf: what makes the host a member as it boots. HOST and ETCD_SERVERS stand for its name and etcd's URLs. */
  readonly cloudConfig: string | undefined;
}

/** Where hosts see the project. */
export const hostProjectDir = '/opt/fleet';
/** Code that Node has compiled already, of all hosts of this machine. */
const hostCompiled = '/run/compiled';
const hostNode = '/usr/local/bin/node';
const etc = 'etc/systemd/system';

/** The address of host `h<number>`. */
export function hostAddress(net: string, host: string): string {
  return `${net}.${10 + Number(host.slice(1))}`;
}

/** Files of `host` that make it a member of the fleet. */
export function fleetSeed(host: string, options: SeedOptions): SeedFile[] {
  const sockets = ['/run/lab/fleet.sock', ...(options.tcpPort ? [String(options.tcpPort)] : [])];
  const config = [
    `etcd_servers=${JSON.stringify(options.etcdServers)}`,
    `agent_ttl=${options.ttl}`,
    ...(options.metadata === '' ? [] : [`metadata=${options.metadata.replaceAll('%H', host)}`]),
    `public_ip=${hostAddress(options.net, host)}`,
    ...options.config,
  ];
  return [
    ...(options.cloudConfig === undefined
      ? [file('etc/fleet/fleet.conf', lines(config))]
      : provisionSeed(host, options.cloudConfig, options)),
    program('usr/bin/fleetd', 'fleetd', [...nodeOptions, options.fleetd]),
    program('usr/bin/fleetctl', 'fleetctl', [`${hostProjectDir}/cli/main.ts`]),
    file(`${etc}/fleet.service`, options.units.service),
    file(`${etc}/fleet.socket`, options.units.socket),
    file(
      `${etc}/fleet.socket.d/lab.conf`,
      lines(['[Socket]', ...sockets.map((s) => `ListenStream=${s}`)]),
    ),
    ...(options.service.length === 0
      ? []
      : [file(`${etc}/fleet.service.d/lab.conf`, lines(['[Service]', ...options.service]))]),
    file('usr/lib/sysusers.d/fleet.conf', options.units.sysusers),
    // The user of SSH, where the image has one, uses the API as a member of the group.
    file('usr/lib/sysusers.d/lab.conf', 'm core fleet\n'),
    file('usr/lib/tmpfiles.d/fleet.conf', options.units.tmpfiles),
    { path: `${etc}/multi-user.target.wants/fleet.service`, link: '../fleet.service' },
    { path: `${etc}/sockets.target.wants/fleet.socket`, link: '../fleet.socket' },
  ];
}

function provisionSeed(host: string, text: string, options: SeedOptions): SeedFile[] {
  const own = text
    .replaceAll('ETCD_SERVERS', options.etcdServers.join(','))
    .replaceAll(/\bHOST\b/g, host);
  return [
    file('etc/fleet/cloud-config.yaml', own),
    ...(['provision', 'submit'] as const).flatMap((name) => [
      file(`${etc}/fleet-${name}.service`, options.units[name]),
      {
        path: `${etc}/multi-user.target.wants/fleet-${name}.service`,
        link: `../fleet-${name}.service`,
      },
    ]),
  ];
}

/** Files of `host` that make it a member of an etcd cluster of `members`. */
export function etcdSeed(host: string, members: readonly string[], net: string): SeedFile[] {
  const own = `http://${hostAddress(net, host)}`;
  const cluster = members.map((m) => `${m}=http://${hostAddress(net, m)}:2380`).join(',');
  const options = {
    name: host,
    'data-dir': '/var/lib/etcd',
    'listen-client-urls': `${own}:2379,http://127.0.0.1:2379`,
    'advertise-client-urls': `${own}:2379`,
    'listen-peer-urls': `${own}:2380`,
    'initial-advertise-peer-urls': `${own}:2380`,
    'initial-cluster': cluster,
    'initial-cluster-token': 'fleet-lab',
    logger: 'zap',
    'log-level': 'warn',
  };
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  return [
    // Not Type=notify: a member without quorum would hold up the boot of its host.
    file(
      `${etc}/etcd.service`,
      lines([
        '[Unit]',
        'Description=etcd member of the lab',
        'StartLimitIntervalSec=0',
        '[Service]',
        'Type=exec',
        `ExecStart=/usr/bin/etcd ${flags.join(' ')}`,
        'Restart=always',
        'RestartSec=1s',
      ]),
    ),
    { path: `${etc}/multi-user.target.wants/etcd.service`, link: '../etcd.service' },
  ];
}

/** Writes the files below `dir`, in place of what was there. */
export async function writeSeed(dir: string, files: readonly SeedFile[]): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  for (const seed of files) {
    const target = path.join(dir, seed.path);
    await mkdir(path.dirname(target), { recursive: true });
    if ('link' in seed) await symlink(seed.link, target);
    else await writeFile(target, seed.text, { mode: seed.mode });
  }
}

function file(path: string, text: string): SeedFile {
  return { path, text, mode: 0o644 };
}

/** `exec -a`: so `pidof` finds it by its own name from the first moment on. */
function program(path: string, name: string, node: readonly string[]): SeedFile {
  const text = lines([
    '#!/bin/bash',
    `export NODE_COMPILE_CACHE=${hostCompiled}`,
    `exec -a ${name} ${hostNode} ${node.join(' ')} "$@"`,
  ]);
  return { path, text, mode: 0o755 };
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
