// A lab with units of every kind, on which faults are tried one after the other: struck, healed, and then held against the promises.
// Invariant: a fault begins and ends with cluster and hosts in full agreement; what it did in between is told from the hosts.
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FleetClient } from '../../src/api/client.ts';
import { run } from '../../lab/script.ts';
import { breaches, disagreements, ranTwiceMs, type Allowed, type Seen } from './fault-check.ts';
import { Placements } from './fault-placements.ts';
import type { Measured } from './fault-record.ts';
import { happenedOn, keyOf, runsOn, type Runs } from './fault-sight.ts';
import { faultUnits, type FaultUnit } from './fault-units.ts';
import { FaultWrites } from './fault-writes.ts';
import { startLab, type Lab } from './lab.ts';

export interface FaultLabOptions {
  readonly hosts: number;
  /** etcd members, on the first hosts. */
  readonly members: number;
  readonly units: number;
  readonly ttlSec: number;
}

/** One thing that goes wrong. */
export interface Fault {
  /** As the table has it. */
  readonly name: string;
  /** Lays out what it needs, at rest: before anything else is written. */
  prepare?(on: FaultLab): Promise<void>;
  /** Breaks it, ends when it is to be healed, and answers what that may have done to units by the rules. */
  strike(on: FaultLab): Promise<Partial<Allowed>>;
  heal?(on: FaultLab): Promise<void>;
  /** false: nothing else is written meanwhile. */
  readonly writes?: boolean;
  /** ms after the heal within which all agrees; default 30 s. */
  readonly agreeMs?: number;
}

/** Differences that an error names. */
const NAMED = 12;

export class FaultLab {
  readonly lab: Lab;
  readonly options: FaultLabOptions;
  readonly members: readonly string[];
  readonly machineIds: ReadonlyMap<string, string>;
  /** etcd's members, as this machine reaches them. */
  readonly endpoints: readonly string[];
  readonly #down: () => Promise<void>;
  readonly #known: Map<string, FaultUnit>;
  readonly #placements: Placements;
  readonly #clients: ReadonlyMap<string, FleetClient>;
  #faults = 0;

  private constructor(parts: {
    lab: Lab & { down(): Promise<void> };
    options: FaultLabOptions;
    addresses: ReadonlyMap<string, string>;
    machineIds: ReadonlyMap<string, string>;
    placements: Placements;
  }) {
    const { lab, options, addresses, machineIds, placements } = parts;
    this.lab = lab;
    this.options = options;
    this.members = lab.hosts.slice(0, options.members);
    this.machineIds = machineIds;
    this.endpoints = this.members.map((host) => `http://${addresses.get(host)}:2379`);
    this.#down = () => lab.down();
    this.#known = new Map(faultUnits(options.units).map((unit) => [unit.name, unit]));
    this.#placements = placements;
    this.#clients = new Map(
      lab.hosts.map((host) => [
        host,
        new FleetClient({
          endpoints: [`unix://${lab.socket(host)}`],
          requestTimeoutMs: 5_000,
        }),
      ]),
    );
  }

  /** Hosts with all units on them, at rest. Whoever starts it calls `end`. */
  static async start(options: FaultLabOptions): Promise<FaultLab> {
    const { hosts, members, ttlSec } = options;
    const config = ['on_partition_ttl_min=3s']; // so short only for tests
    const lab = await startLab({ hosts, etcd: members, name: 'flt', ttl: `${ttlSec}s`, config });
    try {
      const rows = await lab.rows();
      const addresses = new Map(rows.map(({ host, address }) => [host, address]));
      const machineIds = new Map(rows.map(({ host, machineId }) => [host, machineId]));
      const placements = await Placements.follow(
        lab.hosts.slice(0, members).map((host) => `http://${addresses.get(host)}:2379`),
        (id) => rows.find(({ machineId }) => machineId === id)?.host ?? id,
      );
      const made = new FaultLab({ lab, options, addresses, machineIds, placements });
      await made.#submit();
      await made.agreement(60_000);
      return made;
    } catch (error) {
      await lab.down();
      throw error;
    }
  }

  get hosts(): readonly string[] {
    return this.lab.hosts;
  }

  client(host = this.hosts[0]!): FleetClient {
    return this.#clients.get(host)!;
  }

  async end(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    await this.#placements.end();
    await this.#down();
  }

  /** Strikes, heals, and throws what was done against the rules; answers what it took. */
  async suffer(fault: Fault): Promise<Measured> {
    const { lab, hosts } = this;
    await this.agreement(60_000);
    const load = loadavg()[0]!;
    const before = await this.runs();
    await this.#placements.takeLeft();
    this.#faults += 1;
    const writes = new FaultWrites(
      fault.writes === false ? [] : hosts.map((host) => lab.socket(host)),
      `write-${this.#faults}`,
    );
    process.stderr.write(`  ${fault.name}\n`);
    await this.#prepare(fault);
    const sinceMs = Date.now();
    const toll = await this.#strike(fault, writes);
    const strickenMs = Date.now() - sinceMs;
    const healed = performance.now();
    const seen = await this.agreement(fault.agreeMs ?? 30_000);
    const agreeMs = Math.round(performance.now() - healed);
    const left = await this.#placements.takeLeft();
    const happened = await happenedOn(lab, hosts, sinceMs);
    const known = this.#known;
    const wrong = [
      ...breaches({ before, after: seen.runs, happened, left, known }, toll),
      ...writes.lost(seen.units),
    ];
    await writes.end();
    if (wrong.length > 0) {
      await this.#keepJournals();
      throw new Error(listed(`${fault.name} broke a promise`, wrong));
    }
    const counted = [...before.values()].filter(({ unit }) => known.has(unit));
    const moved = counted.filter((run) => left.has(keyOf(run))).length;
    return {
      fault: fault.name,
      units: this.options.units,
      hosts: hosts.length,
      members: this.members.length,
      ttlSec: this.options.ttlSec,
      load: Number(load.toFixed(1)),
      strickenMs,
      agreeMs,
      moved,
      kept: counted.filter((run) => !left.has(keyOf(run)) && !toll.dead.includes(run.host)).length,
      twiceMs: ranTwiceMs(happened, known),
      acknowledged: writes.acknowledged,
      refused: writes.refused,
    };
  }

  async #prepare(fault: Fault): Promise<void> {
    if (fault.prepare === undefined) return;
    try {
      await fault.prepare(this);
      await this.agreement(60_000);
    } catch (error) {
      await fault.heal?.(this).catch(() => undefined); // as far as it came
      throw error;
    }
  }

  async #strike(fault: Fault, writes: FaultWrites): Promise<Allowed> {
    const ending = new AbortController();
    const writing = writes.run(ending.signal);
    const healed = async (): Promise<void> => {
      await fault.heal?.(this);
      ending.abort();
      await writing;
    };
    let toll: Partial<Allowed>;
    try {
      toll = await fault.strike(this);
    } catch (error) {
      await healed();
      await this.#keepJournals();
      await writes.end();
      throw error;
    }
    await healed();
    return { dead: [], absent: [], asked: new Set(), ...toll };
  }

  /** Waits until cluster and hosts agree, by every host's API. */
  async agreement(withinMs: number): Promise<Seen> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      let wrong: readonly string[];
      try {
        const seen = await this.#look();
        wrong = disagreements(seen);
        if (wrong.length === 0) return seen;
      } catch (error) {
        wrong = [error instanceof Error ? error.message : String(error)];
      }
      if (performance.now() > deadline) {
        await this.#keepJournals();
        throw new Error(listed(`no agreement within ${withinMs} ms`, wrong));
      }
      await delay(200);
    }
  }

  /** What runs where now, by the hosts. */
  async runs(): Promise<Runs> {
    return await runsOn(this.lab, this.hosts, [...this.#known.keys()]);
  }

  /** Runs a shell script on each of these hosts, all at once. */
  async shell(hosts: readonly string[], script: string): Promise<void> {
    await Promise.all(hosts.map((host) => this.lab.out(host, 'sh', '-ec', script)));
  }

  async etcdctl(...args: readonly string[]): Promise<string> {
    return await this.etcdctlAt(this.endpoints.join(','), ...args);
  }

  async etcdctlAt(endpoints: string, ...args: readonly string[]): Promise<string> {
    const options = ['--endpoints', endpoints, '--command-timeout', '5s'];
    const env = { ...process.env, ETCDCTL_API: '3' };
    const ended = await run('etcdctl', [...options, ...args], { env });
    if (ended.status !== 0) throw new Error(`etcdctl ${args[0]} ${args[1]}: ${ended.stderr}`);
    return ended.stdout;
  }

  /** The host whose fleetd leads. */
  async leader(): Promise<string | undefined> {
    const found = await this.etcdctl('get', '--print-value-only', '/_coreos.com/fleet/leader');
    if (found.trim() === '') return undefined;
    const { machine } = JSON.parse(found) as { machine: string };
    return this.hosts.find((host) => this.machineIds.get(host) === machine);
  }

  /** Units of this test's own, which are there from now on. */
  learn(units: readonly FaultUnit[]): void {
    for (const unit of units) this.#known.set(unit.name, unit);
  }

  /** For whoever looks into a failure: the journals of all hosts, in the directory that FAULTS_JOURNALS names. */
  async #keepJournals(): Promise<void> {
    const directory = process.env['FAULTS_JOURNALS'];
    if (directory === undefined) return;
    const command = ['journalctl', '--no-pager', '-o', 'short-iso-precise'];
    for (const host of this.hosts)
      await writeFile(path.join(directory, `${host}.log`), await this.lab.out(host, ...command));
  }

  async #submit(): Promise<void> {
    const units = [...this.#known.values()];
    // What others follow comes first; all else is in any order.
    for (let at = 0; at < units.length; at += 20)
      await Promise.all(
        units.slice(at, at + 20).map(({ name, text, wanted: desiredState }) => {
          return this.client().putUnit(name, { text, desiredState }, AbortSignal.timeout(20_000));
        }),
      );
  }

  async #look(): Promise<Seen> {
    const { hosts, machineIds } = this;
    const signal = AbortSignal.timeout(20_000);
    const [units, states] = await Promise.all([
      this.client().units(signal),
      this.client().states(signal),
    ]);
    const names = new Set([
      ...this.#known.keys(),
      ...units.map(({ name }) => name),
      ...states.map(({ name }) => name),
    ]);
    const runs = await runsOn(this.lab, hosts, [...names]);
    // Every host's own fleetd answers, and says the same of the machines.
    const answers = await Promise.all(hosts.map((host) => this.client(host).machines(signal)));
    const odd = answers.find((machines) => machines.some(({ status }) => status !== 'ready'));
    const known = this.#known;
    return { machineIds, hosts, machines: odd ?? answers[0]!, units, states, runs, known };
  }
}

function listed(what: string, lines: readonly string[]): string {
  const more = lines.length > NAMED ? [`… and ${lines.length - NAMED} more`] : [];
  return [`${what} (${lines.length}):`, ...lines.slice(0, NAMED), ...more].join('\n  ');
}
