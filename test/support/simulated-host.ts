// A whole fleetd on a host that is simulated: its own id, boot, systemd and connection to the store; everything else is the real thing.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseConfig, type Config } from '../../agent/config.ts';
import { runDaemon } from '../../agent/daemon.ts';
import type { MachineId } from '../../src/model/machine.ts';
import type { Log } from '../../src/runtime/log.ts';
import { Wake } from '../../src/runtime/wake.ts';
import { FakeSystemd } from './fake-systemd.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export interface HostOptions {
  readonly machine: MachineId;
  readonly dir: string;
  /** The port of etcd on loopback. */
  readonly etcdPort: number;
  readonly ttlSec: number;
  readonly metadata: string;
  readonly log: Log;
}

/** One host; the verbs are what happens to it. */
export class SimulatedHost {
  readonly machine: MachineId;
  readonly socket: string;
  readonly #options: HostOptions;
  readonly #proxy: TcpProxy;
  #systemd = new FakeSystemd();
  #boot = 1;
  #running: Readonly<{ stop: AbortController; ended: Promise<void> }> | undefined;
  #isCut = false;

  private constructor(options: HostOptions, proxy: TcpProxy) {
    this.#options = options;
    this.#proxy = proxy;
    this.machine = options.machine;
    this.socket = join(options.dir, 'fleet.sock');
  }

  /** A host that is switched off. */
  static async open(options: HostOptions): Promise<SimulatedHost> {
    return new SimulatedHost(options, await startTcpProxy(options.etcdPort));
  }

  get systemd(): FakeSystemd {
    return this.#systemd;
  }

  /** fleetd runs, and nothing is between it and the store. */
  get isReachable(): boolean {
    return this.#running !== undefined && !this.#isCut;
  }

  /** Starts fleetd on what the host holds of an earlier one. */
  start(): void {
    if (this.#running !== undefined) throw new Error('it runs already');
    const config = this.#config();
    const stop = new AbortController();
    const never = new Wake();
    const ended = runDaemon({
      config,
      readConfig: () => Promise.resolve(config),
      log: this.#options.log,
      // As a service, so that its end means what systemd's job on it says.
      env: { INVOCATION_ID: 'x', SYSTEMD_EXEC_PID: String(process.pid) },
      pid: process.pid,
      random: Math.random,
      stop: stop.signal,
      reload: never,
      dump: new Wake(),
      simulated: {
        machine: this.machine,
        bootId: `boot-${this.#boot}`,
        systemd: this.#systemd,
      },
    });
    ended.catch(() => undefined); // told to whoever stops it
    this.#running = { stop, ended };
  }

  /** fleetd ends and its units go on: a restart of its service, or an upgrade. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stop.abort(new Error('stopped'));
    await running?.ended;
  }

  /** fleetd is stopped for good: it gives its units away first. */
  async leave(): Promise<void> {
    this.#systemd.ownJob = 'stop';
    try {
      await this.stop();
    } finally {
      this.#systemd.ownJob = undefined;
    }
  }

  /** fleetd dies and can tell the store nothing of it; its units go on. */
  async crash(): Promise<void> {
    this.cut();
    await this.stop();
  }

  /** The machine loses its power: what ran there and what was in /run is gone. */
  async powerOff(): Promise<void> {
    await this.crash();
    this.#systemd = new FakeSystemd();
    this.#boot += 1;
    await rm(join(this.#options.dir, 'run'), { recursive: true, force: true });
  }

  /** The network between this host and the store is cut; connections are not even reset. */
  cut(): void {
    this.#isCut = true;
    this.#proxy.setMode('blackhole');
  }

  heal(): void {
    this.#isCut = false;
    this.#proxy.setMode('open');
    this.#proxy.cut(); // what hung in the black hole is reset
  }

  async close(): Promise<void> {
    await this.stop();
    await this.#proxy.close();
  }

  #config(): Config {
    const { dir, ttlSec, metadata } = this.#options;
    const values = {
      etcd_servers: `http://127.0.0.1:${this.#proxy.port}`,
      agent_ttl: `${ttlSec}s`,
      public_ip: '127.0.0.1',
      metadata,
      units_directory: join(dir, 'run/units'),
      runtime_directory: join(dir, 'run'),
      state_directory: join(dir, 'state'),
      socket: this.socket,
    };
    const env = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [`FLEET_${key.toUpperCase()}`, value]),
    );
    return parseConfig({ env, uid: 0, standalone: false }).config;
  }
}
