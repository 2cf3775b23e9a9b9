// Real etcd processes on loopback for tests: one member or three, each of which can be killed, frozen or cut off from its peers.
// Invariant: nothing is left behind: the members die with the process that started them, and stop() removes their files.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePorts } from './ports.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export { startTcpProxy } from './tcp-proxy.ts';

const etcdBinary = '/usr/bin/etcd';
const etcdctlBinary = '/usr/bin/etcdctl';
const run = promisify(execFile);

/** Why tests on a real etcd cannot run here, or undefined when they can. */
export const etcdMissing: string | undefined = [etcdBinary, etcdctlBinary].every((path) =>
  existsSync(path),
)
  ? undefined
  : `${etcdBinary} or ${etcdctlBinary} is not installed (apt-get install etcd-server etcd-client)`;

export interface StartEtcdOptions {
  readonly members?: 1 | 3;
  /** Where the data goes; kept by stop(). Without it, a temporary directory that stop() removes. */
  readonly dir?: string;
  /** Further flags for each member, as '--name=value'; they win over those set here. */
  readonly flags?: readonly string[];
}

export interface EtcdMember {
  readonly name: string;
  /** The client URL, 'http://127.0.0.1:PORT'; the same after a restart. */
  readonly endpoint: string;
  readonly clientPort: number;
  readonly logFile: string;
  readonly pid: number | undefined;
  /** SIGKILL; ends when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data; ends when it answers, or at once where it is alone of three. */
  start(): Promise<void>;
  /** SIGSTOP; ends when it stands. */
  freeze(): void;
  thaw(): void;
  /** Cuts it off from the other members; clients still reach it. */
  cutFromPeers(): void;
  heal(): void;
}

export interface EtcdCluster {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly string[];
  readonly dir: string;
  /** Runs etcdctl against all members, or against `endpoints`, and answers its stdout. */
  etcdctl(args: readonly string[], endpoints?: readonly string[]): Promise<string>;
  /** The member that leads now. */
  leader(): Promise<EtcdMember>;
  snapshotSave(path: string): Promise<void>;
  /** Stops all members and starts them again on the snapshot's data, as a person does who restores a backup. */
  snapshotRestore(path: string): Promise<void>;
  compact(revision: bigint | number): Promise<void>;
  /** The store's revision now. */
  revision(): Promise<bigint>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Slot {
  readonly name: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly clientPort: number;
  readonly peerPort: number;
  proxy: TcpProxy | undefined;
  child: ChildProcess | undefined;
  cut: boolean;
}

/** Starts etcd and waits until every member answers a linearizable read. */
export async function startEtcd(options: StartEtcdOptions = {}): Promise<EtcdCluster> {
  if (etcdMissing !== undefined) throw new Error(etcdMissing);
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'fleet-etcd-')));
  const cluster = new Cluster(dir, options);
  try {
    await cluster.open(options.members ?? 1);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

const running = new Set<Cluster>();
process.on('exit', () => {
  for (const cluster of running) cluster.stopNow();
});

class Cluster implements EtcdCluster {
  readonly dir: string;
  readonly #options: StartEtcdOptions;
  #slots: Slot[] = [];
  #stopped = false;

  constructor(dir: string, options: StartEtcdOptions) {
    this.dir = dir;
    this.#options = options;
    running.add(this);
  }

  async open(count: number): Promise<void> {
    const ports = await freePorts(2 * count);
    for (let index = 0; index < count; index += 1) {
      const name = `m${index + 1}`;
      const slot: Slot = {
        name,
        dataDir: join(this.dir, name),
        logFile: join(this.dir, `${name}.log`),
        clientPort: ports[2 * index]!,
        peerPort: ports[2 * index + 1]!,
        proxy: undefined,
        child: undefined,
        cut: false,
      };
      this.#slots.push(slot);
      // Peers reach each other only through these proxies, so that a test can cut them.
      if (count > 1) {
        slot.proxy = await startTcpProxy(slot.peerPort, {
          admit: (port) => !slot.cut && !this.#mayBeCut(port),
        });
      }
    }
    for (const slot of this.#slots) this.#spawn(slot);
    await this.#ready(this.#slots);
  }

  get members(): readonly EtcdMember[] {
    return this.#slots.map((slot) => this.#member(slot));
  }

  get endpoints(): readonly string[] {
    return this.#slots.map(endpointOf);
  }

  async etcdctl(args: readonly string[], endpoints = this.endpoints): Promise<string> {
    const { stdout } = await run(
      etcdctlBinary,
      [`--endpoints=${endpoints.join(',')}`, '--dial-timeout=2s', '--command-timeout=5s', ...args],
      { env: { ...process.env, ETCDCTL_API: '3' }, maxBuffer: 64 * 1024 * 1024 },
    );
    return stdout;
  }

  leader(): Promise<EtcdMember> {
    return eventually(async () => {
      for (const slot of this.#slots) {
        if (slot.child === undefined || slot.cut) continue;
        const status = await this.#status(slot).catch(() => undefined);
        if (status !== undefined && status.leader === status.header.member_id)
          return this.#member(slot);
      }
      throw new Error('no member leads');
    });
  }

  async snapshotSave(path: string): Promise<void> {
    await this.etcdctl(['snapshot', 'save', path], [endpointOf(this.#slots[0]!)]);
  }

  async snapshotRestore(path: string): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#kill(slot)));
    for (const slot of this.#slots) {
      await rm(slot.dataDir, { recursive: true, force: true });
      const args = ['snapshot', 'restore', path, `--name=${slot.name}`];
      args.push(`--data-dir=${slot.dataDir}`, `--initial-cluster=${this.#initialCluster()}`);
      args.push(`--initial-advertise-peer-urls=${peerUrl(slot)}`);
      await run(etcdctlBinary, args, { env: { ...process.env, ETCDCTL_API: '3' } });
    }
    for (const slot of this.#slots) this.#spawn(slot);
    await this.#ready(this.#slots);
  }

  async compact(revision: bigint | number): Promise<void> {
    await this.etcdctl(['compact', String(revision)]);
  }

  async revision(): Promise<bigint> {
    const answer = await this.etcdctl(['get', 'no-such-key', '--write-out=json']);
    return BigInt(/"revision":(\d+)/.exec(answer)?.[1] ?? '0');
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#slots.map((slot) => this.#kill(slot)));
    await Promise.all(this.#slots.map(async (slot) => slot.proxy?.close()));
    if (this.#options.dir === undefined) await rm(this.dir, { recursive: true, force: true });
    running.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** For the exit of the process: nothing asynchronous can run any more. */
  stopNow(): void {
    for (const slot of this.#slots) slot.child?.kill('SIGKILL');
    // The members may write for a moment still.
    const retries = { maxRetries: 20, retryDelay: 20 };
    if (this.#options.dir === undefined)
      rmSync(this.dir, { recursive: true, force: true, ...retries });
  }

  #member(slot: Slot): EtcdMember {
    return {
      name: slot.name,
      endpoint: endpointOf(slot),
      clientPort: slot.clientPort,
      logFile: slot.logFile,
      get pid() {
        return slot.child?.pid;
      },
      kill: () => this.#kill(slot),
      start: async () => {
        this.#spawn(slot);
        const quorum = this.#slots.filter((other) => other.child !== undefined && !other.cut);
        if (2 * quorum.length > this.#slots.length) await this.#ready([slot]);
      },
      freeze: () => freeze(slot.child),
      thaw: () => void slot.child?.kill('SIGCONT'),
      cutFromPeers: () => this.#setCut(slot, true),
      heal: () => this.#setCut(slot, false),
    };
  }

  #setCut(slot: Slot, cut: boolean): void {
    slot.cut = cut;
    // All links are ended; those that may come back are made again at once, the others are not admitted.
    if (cut) for (const each of this.#slots) each.proxy?.cut();
  }

  #spawn(slot: Slot): void {
    if (this.#stopped || slot.child !== undefined) return;
    const flags = [
      `--name=${slot.name}`,
      `--data-dir=${slot.dataDir}`,
      `--listen-client-urls=${endpointOf(slot)}`,
      `--advertise-client-urls=${endpointOf(slot)}`,
      `--listen-peer-urls=http://127.0.0.1:${slot.peerPort}`,
      `--initial-advertise-peer-urls=${peerUrl(slot)}`,
      `--initial-cluster=${this.#initialCluster()}`,
      '--enable-v2=false',
      '--heartbeat-interval=50',
      '--election-timeout=500',
      '--logger=zap',
      `--log-outputs=${slot.logFile}`,
      ...(this.#options.flags ?? []),
    ];
    // setpriv: the members die also when the test's process is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', etcdBinary, ...flags], {
      stdio: 'ignore',
      env: { PATH: process.env['PATH'] ?? '/usr/bin' },
    });
    slot.child = child;
    child.once('error', () => (slot.child = undefined));
    child.once('exit', () => {
      if (slot.child === child) slot.child = undefined;
    });
  }

  async #kill(slot: Slot): Promise<void> {
    const child = slot.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async #ready(slots: readonly Slot[]): Promise<void> {
    for (const slot of slots) {
      try {
        await eventually(
          async () => {
            if (slot.child === undefined) throw new Error(`etcd ${slot.name} ended`);
            const answer = await fetch(`${endpointOf(slot)}/v3/kv/range`, {
              method: 'POST',
              body: '{"key":"AA=="}',
              signal: AbortSignal.timeout(1000),
            });
            const text = await answer.text();
            // With users it is ready when it asks who is there.
            if (!answer.ok && !text.includes('user name is empty'))
              throw new Error(`etcd ${slot.name} answers ${answer.status}: ${text}`);
          },
          { timeoutMs: 20_000 },
        );
      } catch (error) {
        const log = await tail(slot.logFile);
        throw new Error(`etcd ${slot.name} is not ready:\n${log}`, { cause: error });
      }
    }
  }

  async #status(slot: Slot): Promise<{ leader: string; header: { member_id: string } }> {
    const answer = await fetch(`${endpointOf(slot)}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(1000),
    });
    return (await answer.json()) as { leader: string; header: { member_id: string } };
  }

  #initialCluster(): string {
    return this.#slots.map((slot) => `${slot.name}=${peerUrl(slot)}`).join(',');
  }

  /** Whether a member that is cut off may own this end: /proc/net/tcp, read in pieces while it changes, can leave a line out. */
  #mayBeCut(port: number): boolean {
    return this.#slots.some(({ cut }) => cut) && this.#ownerOf(port)?.cut !== false;
  }

  /** The member whose process owns this end of a loopback connection; /proc knows. */
  #ownerOf(port: number): Slot | undefined {
    const inode = socketInode(port);
    if (inode === undefined) return undefined;
    return this.#slots.find((slot) => {
      const pid = slot.child?.pid;
      return pid !== undefined && holdsSocket(pid, inode);
    });
  }
}

function endpointOf(slot: Slot): string {
  return `http://127.0.0.1:${slot.clientPort}`;
}

function peerUrl(slot: Slot): string {
  return `http://127.0.0.1:${slot.proxy?.port ?? slot.peerPort}`;
}

/** The signal is sent at once and acted upon a moment later: on a busy machine a thread may still answer meanwhile. */
function freeze(child: ChildProcess | undefined): void {
  if (child?.pid === undefined || !child.kill('SIGSTOP')) return;
  const tasks = `/proc/${child.pid}/task`;
  const stands = (task: string): boolean => {
    try {
      return /^State:\s+[TZ]/m.test(readFileSync(`${tasks}/${task}/status`, 'utf8'));
    } catch {
      return true; // the thread has ended
    }
  };
  const deadline = performance.now() + 1_000;
  while (!readdirSync(tasks).every(stands) && performance.now() < deadline);
}

/** proc(5): /proc/net/tcp has 'sl local remote st queues tr retrnsmt uid timeout inode', addresses in hexadecimal. */
function socketInode(localPort: number): string | undefined {
  const port = localPort.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === `0100007F:${port}` && fields[9] !== '0') return fields[9];
  }
  return undefined;
}

function holdsSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false; // Closed between the two calls.
      }
    });
  } catch {
    return false; // The process is gone.
  }
}

async function tail(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '(no log)');
  return text.split('\n').slice(-15).join('\n');
}
