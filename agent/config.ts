// fleetd's configuration: defaults, then fleet.conf, then the environment's FLEET_<KEY>. docs/configuration.md has the table.
// Invariant: a Config is valid as a whole; every fault is named at once, and an unknown key is only a warning.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parse as parseIni } from 'ini';
import { CONFIG_KEYS } from '../src/model/config-keys.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Metadata } from '../src/model/machine.ts';
import { parseGoDuration } from './go-duration.ts';
import { isHostAndPort, isHttpUrl, isLoopback, splitList, splitMetadata } from './config-values.ts';

export interface Config {
  readonly verbosity: number;
  readonly etcdServers: readonly string[];
  readonly etcdUsername: string;
  readonly etcdPassword: string;
  readonly etcdCaFile: string;
  readonly etcdCertFile: string;
  readonly etcdKeyFile: string;
  readonly etcdKeyPrefix: string;
  readonly etcdRequestTimeoutMs: number;
  readonly engineReconcileIntervalMs: number;
  /** '' means: from the routing table. */
  readonly publicIp: string;
  readonly metadata: Metadata;
  readonly agentTtlSec: number;
  /** With a shorter ttl this machine takes no units with OnPartition=stop. */
  readonly onPartitionTtlMinMs: number;
  readonly unitsDirectory: string;
  readonly stateDirectory: string;
  readonly runtimeDirectory: string;
  readonly systemdUser: boolean;
  /** Where that systemd's journal is; '' means: the machine's. */
  readonly journalDirectory: string;
  readonly tokenLimit: number;
  readonly disableEngine: boolean;
  readonly disableWatches: boolean;
  /** Path of the API's socket where systemd passes none. */
  readonly socket: string;
  /** HOST:PORT of TCP listeners asked for. */
  readonly listen: readonly string[];
  readonly insecure: boolean;
  /** The store is in this process: one machine, no etcd. */
  readonly standalone: boolean;
}

export interface ConfigSources {
  /** The text of fleet.conf, where there is one. */
  readonly text?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly standalone: boolean;
}

export interface ConfigResult {
  readonly config: Config;
  /** One line each: unknown keys, and keys that no longer do anything. */
  readonly warnings: readonly string[];
}

const DEFAULT_ETCD = '["http://127.0.0.1:2379","http://127.0.0.1:4001"]';
/** Keys of the original that ours takes and that do nothing. */
export const IGNORED_KEYS: readonly string[] = [
  'enable_grpc',
  'verify_units',
  'authorized_keys_file',
];
type Key = (typeof CONFIG_KEYS)[number];

/** The configuration; throws CONFIG_INVALID with all that is wrong in `details.problems`. */
export function parseConfig(sources: ConfigSources): ConfigResult {
  const warnings: string[] = [];
  const values = new Map(readFile(sources.text ?? '', warnings));
  for (const key of [...CONFIG_KEYS, ...IGNORED_KEYS]) {
    const value = sources.env[`FLEET_${key.toUpperCase()}`];
    if (value !== undefined) values.set(key, value);
  }
  for (const key of values.keys()) {
    if (IGNORED_KEYS.includes(key))
      warnings.push(`the key '${key}' does nothing any more, ignoring`);
    else if (!CONFIG_KEYS.some((known) => known === key))
      warnings.push(`the key '${key}' is not known, ignoring`);
  }
  const reader = new Reader(values);
  const config = configFrom(reader, sources);
  if (config.standalone && values.has('etcd_servers'))
    reader.problems.push("'etcd_servers' is set, and --standalone asks for no etcd");
  for (const server of config.etcdServers) {
    if (!isHttpUrl(server))
      reader.problems.push(`'etcd_servers' names '${server}': not like 'http://10.0.0.1:2379'`);
  }
  for (const address of config.listen) {
    if (!isHostAndPort(address))
      reader.problems.push(`'listen' names '${address}': not like '127.0.0.1:49153'`);
    else if (!config.insecure && !isLoopback(address))
      reader.problems.push(`'listen' names '${address}': not loopback, and 'insecure' is not true`);
  }
  if (reader.problems.length > 0) {
    throw new FleetError('CONFIG_INVALID', reader.problems.join('; '), {
      hint: 'The keys and their values are in docs/configuration.md.',
      details: { problems: reader.problems },
    });
  }
  return { config, warnings };
}

function configFrom(read: Reader, { env, uid, standalone }: ConfigSources): Config {
  const systemdUser = read.boolean('systemd_user', uid !== 0);
  const directories = defaultDirectories(systemdUser, uid, env);
  const runtimeDirectory = read.path('runtime_directory', directories.runtime);
  return {
    verbosity: read.number('verbosity', 0),
    etcdServers: splitList(read.text('etcd_servers', DEFAULT_ETCD)),
    etcdUsername: read.text('etcd_username', ''),
    etcdPassword: read.text('etcd_password', ''),
    etcdCaFile: read.text('etcd_cafile', ''),
    etcdCertFile: read.text('etcd_certfile', ''),
    etcdKeyFile: read.text('etcd_keyfile', ''),
    etcdKeyPrefix: read.text('etcd_key_prefix', '/_coreos.com/fleet/'),
    etcdRequestTimeoutMs: read.durationMs('etcd_request_timeout', '1.0'),
    engineReconcileIntervalMs: read.durationMs('engine_reconcile_interval', '2.0'),
    publicIp: read.text('public_ip', ''),
    metadata: read.metadata('metadata'),
    // Leases of etcd are whole seconds; a shorter one than two cannot be renewed in time.
    agentTtlSec: Math.max(2, Math.ceil(read.durationMs('agent_ttl', '30s') / 1000)),
    onPartitionTtlMinMs: read.durationMs('on_partition_ttl_min', '10s'),
    unitsDirectory: read.path('units_directory', join(runtimeDirectory, 'units')),
    stateDirectory: read.path('state_directory', directories.state),
    runtimeDirectory,
    systemdUser,
    journalDirectory: read.path('journal_directory', ''),
    tokenLimit: read.number('token_limit', 100, 1),
    disableEngine: read.boolean('disable_engine', false),
    disableWatches: read.boolean('disable_watches', false),
    socket: read.path('socket', directories.socket),
    listen: splitList(read.text('listen', '')),
    insecure: read.boolean('insecure', false),
    standalone,
  };
}

function defaultDirectories(
  systemdUser: boolean,
  uid: number,
  env: ConfigSources['env'],
): { state: string; runtime: string; socket: string } {
  if (!systemdUser)
    return { state: '/var/lib/fleet', runtime: '/run/fleet', socket: '/var/run/fleet.sock' };
  const runtime = env['XDG_RUNTIME_DIR'] ?? `/run/user/${uid}`;
  const state = env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? homedir(), '.local/state');
  return {
    state: join(state, 'fleet'),
    runtime: join(runtime, 'fleet'),
    socket: join(runtime, 'fleet.sock'),
  };
}

/** The file's keys and values as text. Sections and lists are `ini`'s idea, not fleet's: named and passed over. */
function readFile(text: string, warnings: string[]): [string, string][] {
  const values: [string, string][] = [];
  for (const [key, value] of Object.entries(parseIni(keptByIni(text)))) {
    if (typeof value === 'object' && value !== null)
      warnings.push(`the section or list '${key}' is not known, ignoring`);
    else values.push([key, unquote(String(value).trim())]);
  }
  return values;
}

/** `ini` cuts a value at ';' and '#' and eats backslashes, which passwords may hold: they are escaped where it would. */
function keptByIni(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => {
      const at = line.indexOf('=');
      const isComment = /^\s*[;#]/.test(line);
      if (isComment || at < 0) return line;
      const value = line.slice(at + 1).trim();
      if (/^(".*"|'.*')$/.test(value)) return line;
      return `${line.slice(0, at + 1)} ${value.replaceAll(/[\\;#]/g, String.raw`\$&`)}`;
    })
    .join('\n');
}

function unquote(value: string): string {
  const inner = /^"([^"]*)"$/.exec(value) ?? /^'([^']*)'$/.exec(value);
  return inner?.[1] ?? value;
}

/** Reads values, and gathers what is wrong with them. */
class Reader {
  readonly problems: string[] = [];
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  text(key: Key, byDefault: string): string {
    return this.#values.get(key)?.trim() ?? byDefault;
  }

  path(key: Key, byDefault: string): string {
    const path = this.text(key, byDefault);
    if (path === '' && byDefault === '') return '';
    if (!path.startsWith('/')) this.#wrong(key, path, 'is no absolute path');
    return path.length > 1 ? path.replace(/\/+$/, '') : path;
  }

  number(key: Key, byDefault: number, least = 0): number {
    const text = this.text(key, String(byDefault));
    if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
    this.#wrong(key, text, `is no whole number of at least ${least}`);
    return byDefault;
  }

  boolean(key: Key, byDefault: boolean): boolean {
    const text = this.text(key, String(byDefault));
    if (/^(true|1|t)$/i.test(text)) return true;
    if (!/^(false|0|f)$/i.test(text)) this.#wrong(key, text, 'is neither true nor false');
    return false;
  }

  durationMs(key: Key, byDefault: string): number {
    const text = this.text(key, byDefault);
    const ms = parseGoDuration(text);
    if (ms !== undefined && ms > 0) return ms;
    this.#wrong(key, text, 'is no duration such as 30s or 1m30s');
    return 1000;
  }

  metadata(key: Key): Metadata {
    const { metadata, wrong } = splitMetadata(this.text(key, ''));
    for (const part of wrong) this.#wrong(key, part, 'is not key=value');
    return metadata;
  }

  #wrong(key: Key, value: string, what: string): void {
    this.problems.push(`'${key}': '${value}' ${what}`);
  }
}
