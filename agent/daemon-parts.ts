// Opens what fleetd is made of: store, systemd, presence, host, API.
// Invariant: nothing here waits for etcd or D-Bus: a host starts also without them.
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createApi, type Api } from '../src/api/server.ts';
import type { Machine, MachineId } from '../src/model/machine.ts';
import { keysUnder } from '../src/registry/keys.ts';
import { readUnit } from '../src/registry/read-unit.ts';
import type { Registry } from '../src/registry/registry.ts';
import { systemClock, type Clock } from '../src/runtime/clock.ts';
import type { Log } from '../src/runtime/log.ts';
import { VERSION } from '../src/runtime/version.ts';
import { openEmbeddedStore } from '../src/store/embedded/open.ts';
import { openEtcdStore } from '../src/store/etcd/open.ts';
import type { Kv } from '../src/store/kv.ts';
import { parseUnitName } from '../src/unitfile/name.ts';
import { CarriedOutFile } from './carried-out.ts';
import type { Config } from './config.ts';
import type { Disk } from './disk.ts';
import { openSystemd } from './dbus/systemd.ts';
import { CutOffNotes } from './cut-off-notes.ts';
import { DropIns } from './drop-ins.ts';
import { Host } from './host.ts';
import { IdentityFile } from './identity.ts';
import { KeptDesired } from './kept-desired.ts';
import { localDisk } from './local-disk.ts';
import {
  bootId,
  machineCapacity,
  primaryAddress,
  readMachineId,
  standaloneMachineId,
} from './machine-facts.ts';
import { openNotifier, type Notifier } from './notify.ts';
import { Permits } from './permits.ts';
import { Presence } from './presence.ts';
import { withQuadlets } from './quadlet-dir.ts';
import { withQuadletNames } from './quadlet-systemd.ts';
import { capabilitiesOf, findRuntimes, type FoundRuntimes } from './runtimes.ts';
import type { Systemd } from './systemd.ts';
import type { StoreConfig } from './term-messages.ts';
import { TokenFile } from './token-file.ts';
import { openUnitDir } from './unit-dir.ts';

export interface PartsOptions {
  readonly config: Config;
  readonly log: Log;
  readonly env: Record<string, string | undefined>;
  readonly pid: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The host that it is of, where that is not this machine: many share one in tests. */
  readonly simulated?: SimulatedMachine;
}

/** What fleetd otherwise finds out of the machine that it runs on. */
export interface SimulatedMachine {
  readonly machine: MachineId;
  readonly bootId: string;
  readonly systemd: Systemd;
}

export interface Parts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly kv: Kv;
  readonly systemd: Systemd;
  readonly machine: MachineId;
  readonly presence: Presence;
  readonly host: Host;
  readonly api: Api;
  readonly notifier: Notifier;
  readonly registry: Registry;
  readonly settings: Settings;
}

/** What a reload may change. */
export interface Settings {
  config: Config;
  primaryIp: string;
  runtimes: FoundRuntimes;
}

/** What the parts of fleetd stand on. */
export interface Base {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly machine: MachineId;
  readonly registry: Registry;
  readonly systemd: Systemd;
  readonly settings: Settings;
  readonly identity: IdentityFile;
  readonly bootId: string;
}

interface OpenedBase extends Base {
  /** The registry's store, for what users ask: many changes at once share requests. */
  readonly forRequests: Kv;
}

/** Opens all parts; throws what keeps fleetd from starting. */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { env, pid, random } = options;
  const base = await openBase(options);
  const { clock, machine, registry, systemd, settings } = base;
  const presence = openPresence(options, base);
  const host = await openHost(options, base, presence);
  const api = await openApi(options, base, presence);
  const notifier = openNotifier(env, pid);
  const { kv } = registry;
  const rest = { presence, host, api, notifier, registry, settings };
  return { clock, random, kv, systemd, machine, ...rest };
}

async function openBase(options: PartsOptions): Promise<OpenedBase> {
  const { config, log, env, random, simulated } = options;
  const clock = systemClock;
  const { stateDirectory, runtimeDirectory, standalone } = config;
  await mkdir(runtimeDirectory, { recursive: true });
  await mkdir(stateDirectory, { recursive: true });
  const boot = simulated?.bootId ?? (await bootId());
  const machine =
    simulated?.machine ??
    (await (standalone ? standaloneMachineId(stateDirectory, log) : readMachineId()));
  const settings = {
    config,
    primaryIp: config.publicIp || (await primaryAddress()),
    runtimes: await findRuntimes(log),
  };
  const { kv, forRequests } = await openStore(config, clock, random);
  const unreadable: Registry['unreadable'] = (found, error) =>
    log.warn({ key: found.key, code: error.code }, 'a record cannot be read, passing it over');
  const registry = { kv, keys: keysUnder(config.etcdKeyPrefix), unreadable };
  const address = config.systemdUser ? 'user' : 'system';
  const systemd =
    simulated?.systemd ??
    openSystemd({ address, clock, env, log: log.child({ component: 'systemd' }) });
  const identity = await IdentityFile.open(join(runtimeDirectory, 'identity.json'), {
    bootId: boot,
    machineId: machine,
  });
  return {
    clock,
    disk: localDisk,
    machine,
    registry,
    forRequests,
    systemd,
    settings,
    identity,
    bootId: boot,
  };
}

/** This machine's registration. */
export function openPresence({ log, random }: PartsOptions, base: Base): Presence {
  const { registry, clock, identity, machine, settings } = base;
  const capacity = machineCapacity();
  return new Presence({
    kv: registry.kv,
    keys: registry.keys,
    clock,
    random,
    identity,
    facts: () => ({ ...factsOf(machine, settings), capacity }),
    log: log.child({ component: 'presence' }),
  });
}

/** This machine's loop, with what is on its disk. */
export async function openHost(
  { config, log, env, random }: PartsOptions,
  base: Base,
  presence: Presence,
): Promise<Host> {
  const { registry, systemd, clock, disk, machine, identity, settings } = base;
  const path = join(config.runtimeDirectory, 'carried-out.json');
  const carriedOut = await CarriedOutFile.open(path, base.bootId, disk);
  if (carriedOut.problem !== undefined)
    log.warn({ err: carriedOut.problem }, 'what was carried out before does not count');
  const hostLog = log.child({ component: 'host' });
  const files = await openUnitDir({
    directory: config.unitsDirectory,
    disk,
    parseUnitName: (text) => parseUnitName(text).ok,
  });
  const unitDir = withQuadlets(files, {
    log: hostLog,
    runtimes: () => settings.runtimes,
    user: config.systemdUser,
    submitted: async (name, signal) => (await readUnit(registry, name, signal))?.text,
  });
  const kept = await KeptDesired.open({
    disk,
    directory: join(config.stateDirectory, 'desired'),
    machine,
    cluster: registry.keys.prefix,
    log: hostLog,
  });
  const permits = new Permits(disk, join(config.runtimeDirectory, 'permit'));
  const dropIns = new DropIns({
    disk,
    managerDirectory: config.systemdUser
      ? join(runtimeDirectoryOf(env), 'systemd/user')
      : '/run/systemd/system',
    environmentDirectory: join(config.runtimeDirectory, 'env'),
    permits,
  });
  const tokens = await TokenFile.open(join(config.stateDirectory, 'fence.json'), disk);
  return new Host({
    registry,
    systemd: withQuadletNames(systemd),
    clock,
    random,
    log: hostLog,
    machine,
    incarnation: identity.identity.incarnation,
    unitDir,
    carriedOut,
    kept,
    dropIns,
    permits,
    notes: new CutOffNotes(disk, join(config.runtimeDirectory, 'cut-off')),
    tokens,
    lease: {
      ttlMs: config.agentTtlSec * 1000,
      deadlineMs: () => presence.deadlineMs(),
      renewed: (signal) => presence.renewed(signal),
    },
    isUser: config.systemdUser,
    configuredMetadata: () => settings.config.metadata,
    capabilities: () => hostCapabilities(settings.config, settings.runtimes),
  });
}

async function openApi(
  { config, log, env }: PartsOptions,
  { registry, forRequests, machine, clock }: OpenedBase,
  presence: Presence,
): Promise<Api> {
  const runtimeDirectory = config.systemdUser ? env['XDG_RUNTIME_DIR'] : undefined;
  const { journalDirectory } = config;
  return await createApi({
    kv: forRequests,
    keys: registry.keys,
    log: log.child({ component: 'api' }),
    version: VERSION,
    tokenLimit: config.tokenLimit,
    clock,
    availability: () => unavailability(presence, config),
    daemon: {
      machineID: machine,
      systemd: config.systemdUser ? 'user' : 'system',
      ...(runtimeDirectory === undefined ? {} : { runtimeDirectory }),
      ...(journalDirectory === '' ? {} : { journalDirectory }),
    },
  });
}

/** What this host can do for units that ask for it. */
function hostCapabilities(
  { agentTtlSec, onPartitionTtlMinMs }: Config,
  runtimes: FoundRuntimes,
): Readonly<Record<string, string>> {
  const isInTime = agentTtlSec * 1000 >= onPartitionTtlMinMs;
  const fences = { fence: 'yes', ...(isInTime ? { 'cut-off': 'yes' } : {}) };
  return { ...fences, ...capabilitiesOf(runtimes) };
}

/** Where the user's manager keeps what ends with the session (systemd.unit(5)). */
function runtimeDirectoryOf(env: PartsOptions['env']): string {
  return env['XDG_RUNTIME_DIR'] ?? `/run/user/${process.getuid?.() ?? 0}`;
}

function factsOf(
  id: MachineId,
  { config, primaryIp, runtimes }: Settings,
): Omit<Machine, 'incarnation' | 'nonce' | 'leaving' | 'capacity'> {
  return {
    id,
    primaryIp,
    hostname: hostname(),
    metadata: config.metadata,
    version: VERSION,
    capabilities: hostCapabilities(config, runtimes),
    ttlSec: config.agentTtlSec,
  };
}

type Stores = Readonly<{ kv: Kv; forRequests: Kv }>;

async function openStore(config: Config, clock: Clock, random: () => number): Promise<Stores> {
  if (config.standalone) {
    const path = join(config.stateDirectory, 'store.sqlite');
    const kv = openEmbeddedStore({ path, clock });
    return { kv, forRequests: kv };
  }
  const kv = await openEtcdStore({ ...etcdConfig(config), clock, random });
  return { kv, forRequests: kv.grouped() };
}

/** How etcd is reached; without a meaning for a host that stands alone. */
export function etcdConfig(config: Config): StoreConfig {
  const or = (text: string): string | undefined => (text === '' ? undefined : text);
  return {
    endpoints: config.etcdServers,
    username: or(config.etcdUsername),
    password: or(config.etcdPassword),
    caFile: or(config.etcdCaFile),
    certFile: or(config.etcdCertFile),
    keyFile: or(config.etcdKeyFile),
    requestTimeoutMs: config.etcdRequestTimeoutMs,
  };
}

/** Why requests cannot be served; while etcd was never reached, where it is looked for. */
function unavailability(presence: Presence, config: Config): string | undefined {
  const why = presence.unavailable();
  if (why === undefined || presence.state !== 'starting' || config.standalone) return why;
  return `${why}; etcd_servers of its fleetd: ${config.etcdServers.join(', ')}`;
}
