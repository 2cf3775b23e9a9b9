// Brings a lab up: packages, image, bridge, etcd, hosts with fleet on them, in that order and as far as needed.
// Invariant: what it was asked for first is what later calls keep to; a lab is changed by `down` and `up`.
import { existsSync } from 'node:fs';
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import path from 'node:path';
import { http } from '../src/runtime/http.ts';
import { execOn, labDir, labScript, labScriptHere, projectDir, type LabName } from './script.ts';
import {
  etcdSeed,
  fleetSeed,
  hostAddress,
  hostProjectDir,
  writeSeed,
  type SeedFile,
  type SeedOptions,
} from './seed.ts';

/** `shared`: one etcd on this machine. `each`: a member on every host. A number: on so many, the first. `none`: hosts without etcd. */
export type EtcdMode = 'shared' | 'each' | 'none' | number;

export interface UpOptions {
  readonly hosts: number;
  readonly etcd: EtcdMode;
  readonly ttl: string;
  readonly metadata: string;
  readonly config: readonly string[];
  /** More lines for fleet.service's [Service]. */
  readonly service: readonly string[];
  readonly tcpPort?: number;
  /** false: bare hosts. */
  readonly fleet: boolean;
  /** false: hosts that see neither the project nor its Node. */
  readonly project?: boolean;
  /** Another program in the place of fleetd, below the project. */
  readonly fleetd?: string;
  /** Hosts without fleet.conf, which are provisioned as they boot; see SeedOptions. */
  readonly cloudConfig?: string;
  readonly say: (line: string) => void;
}

/** What `up` was asked for, as far as hosts that come later depend on it. */
interface Kept {
  readonly etcd: EtcdMode;
  readonly members: readonly string[];
}

/** Answers what is missing for a lab on this machine, as one line; undefined when it can be made. */
export function labImpossible(): string | undefined {
  if (process.platform !== 'linux') return 'a lab needs Linux';
  if (process.getuid?.() !== 0) return 'a lab needs root (namespaces, mounts, a bridge)';
  const needed = ['mmdebstrap', 'nft', 'ip', 'unshare', 'busctl', 'etcd', 'etcdctl', 'dbus-daemon'];
  const dirs = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  const missing = needed.filter((name) => !dirs.some((dir) => existsSync(path.join(dir, name))));
  if (missing.length === 0) return undefined;
  return `a lab needs ${missing.join(', ')}: npm run lab -- deps`;
}

/** Boots `h1`…`hN`; those that are up already stay as they are. */
export async function up(lab: LabName, options: UpOptions): Promise<void> {
  if ((await labScriptHere(lab, ['image'])) !== 0) throw new Error('no image for the hosts');
  const net = (await labScript(lab, ['net'])).trim();
  const names = Array.from({ length: options.hosts }, (_, i) => `h${i + 1}`);
  const kept = await keep(lab, names, options);
  const servers = etcdServers(kept, net);
  const seed = path.join(labDir(lab), 'seed');
  for (const host of names) await writeSeed(path.join(seed, host), await seedOf(host));

  await Promise.all([
    labScript(lab, ['up', String(options.hosts)], {
      LAB_SEED: seed,
      LAB_BIND: await binds(options.project ?? true),
    }),
    kept.etcd === 'shared' ? startShared(lab, servers) : undefined,
  ]);
  if (kept.members.length > 0) await etcdAnswers(servers);
  if (options.fleet && options.etcd !== 'none') await machinesListed(lab, names, options);

  async function seedOf(host: string): Promise<SeedFile[]> {
    const files: SeedFile[] = kept.members.includes(host) ? etcdSeed(host, kept.members, net) : [];
    if (!options.fleet) return files;
    const fleetd = path.join(hostProjectDir, options.fleetd ?? 'agent/main.ts');
    const { ttl, metadata, config, service, tcpPort, cloudConfig } = options;
    const common = { net, etcdServers: servers, ttl, metadata, config, service, tcpPort, fleetd };
    const units = await unitFiles();
    return [...files, ...fleetSeed(host, { ...common, cloudConfig, units })];
  }
}

/** The etcd that the hosts use, as URLs that this machine reaches too. */
function etcdServers(kept: Kept, net: string): string[] {
  if (kept.etcd === 'shared') return [`http://${net}.1:2379`];
  return kept.members.map((host) => `http://${hostAddress(net, host)}:2379`);
}

async function keep(lab: LabName, names: readonly string[], options: UpOptions): Promise<Kept> {
  const file = path.join(labDir(lab), 'lab.json');
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Kept; // written below
  const members = membersAmong(names, options.etcd);
  const count = members.length;
  if (count > 0 && count % 2 === 0)
    options.say(
      `An even number of etcd members bears no more failures than one less: better ${count - 1} or ${count + 1}.`,
    );
  const kept: Kept = { etcd: options.etcd, members };
  await mkdir(labDir(lab), { recursive: true });
  await writeFile(file, JSON.stringify(kept));
  return kept;
}

function membersAmong(names: readonly string[], etcd: EtcdMode): readonly string[] {
  if (etcd === 'each') return names;
  return typeof etcd === 'number' ? names.slice(0, etcd) : [];
}

async function unitFiles(): Promise<SeedOptions['units']> {
  const read = (name: string): Promise<string> =>
    readFile(path.join(projectDir, 'units', name), 'utf8');
  return {
    service: await read('fleet.service'),
    socket: await read('fleet.socket'),
    sysusers: await read('fleet.sysusers'),
    tmpfiles: await read('fleet.tmpfiles'),
    provision: await read('fleet-provision.service'),
    submit: await read('fleet-submit.service'),
  };
}

/** This machine's files that hosts see: the project, its Node (theirs may be too old), etcd. */
async function binds(project: boolean): Promise<string> {
  const all = project ? await projectBinds() : [];
  for (const name of ['etcd', 'etcdctl'])
    if (existsSync(`/usr/bin/${name}`)) all.push(`/usr/bin/${name}`);
  return all.join('\n');
}

async function projectBinds(): Promise<string[]> {
  const modules = await realpath(path.join(projectDir, 'node_modules'));
  const all = [
    `${projectDir}:${hostProjectDir}`,
    `${path.join(modules, 'node/bin/node')}:/usr/local/bin/node`,
  ];
  if (path.dirname(modules) !== projectDir) all.push(modules); // reached by a link: it must lead there on hosts too
  return all;
}

async function startShared(lab: LabName, servers: readonly string[]): Promise<void> {
  if (await etcdHealthy(servers)) return;
  await labScript(lab, ['etcd', 'start']);
}

async function etcdHealthy(servers: readonly string[]): Promise<boolean> {
  const health = async (server: string): Promise<boolean> => {
    const answer = await fetch(`${server}/health`, { signal: AbortSignal.timeout(1000) });
    return answer.ok;
  };
  const all = await Promise.allSettled(servers.map(health));
  return all.every((one) => one.status === 'fulfilled' && one.value);
}

async function etcdAnswers(servers: readonly string[]): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    if (await etcdHealthy(servers)) return;
    await delay(250);
  }
  throw new Error(`etcd on the hosts does not answer: ${servers.join(', ')}`);
}

/** Until the first host's API knows every machine; a cluster that does not get there is an error with its journal. */
async function machinesListed(
  lab: LabName,
  names: readonly string[],
  options: UpOptions,
): Promise<void> {
  if (options.fleetd !== undefined) return; // a stand-in has no machines to list
  const [first = 'h1'] = names;
  const socketPath = path.join(labDir(lab), first, 'run/fleet.sock');
  let last = '';
  for (let tries = 0; tries < 200; tries++) {
    const known = await machines(socketPath).catch((error: unknown) => String(error));
    if (Array.isArray(known) && known.length >= names.length) return;
    last = typeof known === 'string' ? known : `${known.length} of ${names.length} are listed`;
    await delay(100);
  }
  const journal = await execOn(lab, first, ['journalctl', '-u', 'fleet', '-n', '20', '--no-pager']);
  throw new Error(`the machines did not register: ${last}\n${journal.stdout}`);
}

/** The machines that the API behind this socket knows. */
async function machines(socketPath: string): Promise<readonly unknown[]> {
  const options = { socketPath, path: '/fleet/v1/machines', signal: AbortSignal.timeout(2000) };
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    http.get(options, resolve).on('error', reject);
  });
  const body = (await json(answer)) as { machines?: readonly unknown[]; error?: unknown };
  return body.machines ?? [];
}
