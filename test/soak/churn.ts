// What users and chance do to the cluster: units come, change and go through the API; hosts end, die, leave, lose the network and return.
// Invariant: of one unit there is one request at a time, so that what it answers says what is so.
import { setTimeout as delay } from 'node:timers/promises';
import { FleetClient } from '../../src/api/client.ts';
import { isFleetError, type ErrorCode } from '../../src/model/errors.ts';
import type { DesiredState } from '../../src/model/unit.ts';
import { pick, type Random } from '../support/random.ts';
import type { Ledger, Wanted } from './ledger.ts';
import type { SimulatedHost } from '../support/simulated-host.ts';

/** What a request may fail with while hosts die: it was carried out, or not. */
const AWAY: readonly ErrorCode[] = [
  'API_UNREACHABLE',
  'LEADERSHIP_LOST',
  'REGISTRY_BUSY',
  'STORE_LEASE_GONE',
  'STORE_UNAVAILABLE',
];
const STATES: readonly DesiredState[] = ['inactive', 'loaded', 'launched', 'launched', 'launched'];
const REQUEST_MS = 5_000;

/** The units that there may be; what is in a file, its name says. */
export function unitNames(count: number): readonly string[] {
  const kinds = ['plain', 'rack', 'shy', 'plain', 'failing', 'plain', 'oneshot', 'everywhere'];
  return Array.from({ length: count }, (_, i) => `${kinds[i % kinds.length]}@${i}.service`);
}

/** The file of a unit; another text for each `version`. */
function unitText(name: string, version: number): string {
  const kind = name.split('@', 1)[0];
  const fleet: Readonly<Record<string, string>> = {
    rack: 'MachineMetadata=rack=a',
    // Groups of four that keep apart: fewer than there are hosts.
    shy: `Conflicts=shy@${name.split('@')[1]?.at(0) ?? ''}*.service`,
    everywhere: 'Global=true',
  };
  const mark = kind === 'failing' ? '# fail\n' : kind === 'oneshot' ? '# oneshot\n' : '';
  const options = fleet[kind ?? ''];
  return [
    `[Unit]\nDescription=Version ${version} of ${name}\n`,
    `[Service]\nExecStart=/bin/sleep infinity\n${mark}`,
    ...(options === undefined ? [] : [`[X-Fleet]\n${options}\n`]),
  ].join('\n');
}

export interface Counts {
  requests: number;
  failed: number;
  /** Unit files sent, each another one. */
  files: number;
  faults: Record<string, number>;
}

export interface ChurnDeps {
  readonly hosts: readonly SimulatedHost[];
  readonly names: readonly string[];
  readonly ledger: Ledger;
  readonly random: Random;
  readonly ttlSec: number;
  /** The machine that leads now. */
  leader(): Promise<string | undefined>;
  /** Told of an answer that cannot be. */
  readonly violated: (what: string) => void;
}

/** Users and chance; a client of each host is kept for as long as the soak runs. */
export class Churn {
  readonly counts: Counts = { requests: 0, failed: 0, files: 0, faults: {} };
  readonly #deps: ChurnDeps;
  readonly #clients = new Map<SimulatedHost, FleetClient>();
  #version = 0;

  constructor(deps: ChurnDeps) {
    this.#deps = deps;
  }

  /** A client of a host that can serve. */
  client(): FleetClient {
    const { hosts, random } = this.#deps;
    const host = pick(
      random,
      hosts.filter((one) => one.isReachable),
    );
    const known = this.#clients.get(host);
    if (known !== undefined) return known;
    const client = new FleetClient({
      endpoints: [`unix://${host.socket}`],
      requestTimeoutMs: REQUEST_MS,
    });
    this.#clients.set(host, client);
    return client;
  }

  /** Goes on until `signal` aborts; then what is under way ends. */
  async users(workers: number, signal: AbortSignal): Promise<void> {
    const { names, random } = this.#deps;
    const work = async (worker: number): Promise<void> => {
      const own = names.filter((_, i) => i % workers === worker);
      while (!signal.aborted) {
        await this.#request(pick(random, own));
        await delay(20 + random(60));
      }
    };
    await Promise.all([
      ...Array.from({ length: workers }, (_, worker) => work(worker)),
      this.#read(signal),
      this.#listen(signal),
    ]);
  }

  /** One or two hosts at a time meet something, until `signal` aborts; then all are back. */
  async chance(signal: AbortSignal): Promise<void> {
    const { hosts, random, ttlSec } = this.#deps;
    while (!signal.aborted) {
      await delay(1_000 + random(3_000));
      const leader = await this.#deps.leader();
      // A leader that dies all the time would leave nothing of what leaders do now and then to be seen.
      const spared = random(12) === 0 ? undefined : leader;
      const victims = hosts.filter((one) => one.isReachable && one.machine !== spared);
      const fault = pick(random, ['restart', 'crash', 'powerOff', 'leave', 'cut'] as const);
      // Some are back before they are missed, some are not.
      const awayMs = random(2) === 0 ? random(ttlSec * 600) : ttlSec * 1_000 + random(4_000);
      this.counts.faults[fault] = (this.counts.faults[fault] ?? 0) + 1;
      await Promise.all(
        [pick(random, victims)].map(async (host) => {
          if (fault === 'restart') await host.stop();
          else await host[fault]();
          await delay(awayMs);
          host.heal();
          if (fault !== 'cut') host.start();
        }),
      );
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #request(name: string): Promise<void> {
    const { ledger, random } = this.#deps;
    const [known, ...others] = ledger.possible(name);
    const isKnown = others.length === 0;
    const verb = known === undefined || !isKnown ? 'put' : pick(random, VERBS);
    if (verb === 'destroy') return this.#try(name, undefined);
    const desiredState = pick(random, STATES);
    if (verb === 'change' && known !== undefined)
      return this.#try(name, { text: known.text, desiredState }, { desiredState });
    this.counts.files += 1;
    const text = unitText(name, (this.#version += 1));
    return this.#try(name, { text, desiredState }, { text, desiredState });
  }

  async #try(
    name: string,
    after: Wanted,
    body?: Readonly<{ text?: string; desiredState: DesiredState }>,
  ): Promise<void> {
    const { ledger, violated } = this.#deps;
    const signal = new AbortController().signal;
    this.counts.requests += 1;
    try {
      if (body === undefined) await this.client().destroyUnit(name, signal);
      else await this.client().putUnit(name, body, signal);
      ledger.acknowledged(name, after);
    } catch (error) {
      if (!isFleetError(error)) throw error;
      this.counts.failed += 1;
      if (!AWAY.includes(error.code))
        violated(`${name}: ${body === undefined ? 'destroy' : 'put'}: ${error.message}`);
      ledger.unknown(name, after);
    }
  }

  /** All that only reads, over and over. */
  async #read(signal: AbortSignal): Promise<void> {
    const { names, random, violated } = this.#deps;
    const never = new AbortController().signal;
    while (!signal.aborted) {
      const client = this.client();
      const name = pick(random, names);
      const reads = [
        () => client.units(never),
        () => client.states(never),
        () => client.machines(never),
        () => client.daemon(never),
        () => client.unit(name, never),
        () => client.explain(name, never),
      ];
      this.counts.requests += 1;
      await pick(random, reads)().catch((error: unknown) => {
        this.counts.failed += 1;
        if (!isFleetError(error, ...AWAY, 'UNIT_NOT_FOUND', 'STORE_COMPACTED', 'STORE_REVERTED'))
          violated(`a read failed: ${String(error)}`);
      });
      await delay(50);
    }
  }

  /** Readers of events that come and go. */
  async #listen(signal: AbortSignal): Promise<void> {
    const { random } = this.#deps;
    while (!signal.aborted) {
      const client = this.client();
      const enough = new AbortController();
      const end = setTimeout(() => enough.abort(), 500 + random(5_000));
      try {
        const { revision } = await client.statesOf('plain@0.service', enough.signal);
        for await (const _happening of client.events('', revision, enough.signal)) continue;
      } catch (error) {
        if (!isFleetError(error, ...AWAY) && !enough.signal.aborted) throw error;
        await delay(100);
      } finally {
        clearTimeout(end);
      }
    }
  }
}

const VERBS = ['change', 'change', 'replace', 'replace', 'destroy'] as const;
