// A cluster without hosts: records in a store, and engines over it. Machines are keys under leases that the test holds.
import type { EngineDeps } from '../../src/engine/engine.ts';
import { runEngine } from '../../src/engine/engine.ts';
import type { Host, Machine, MachineId } from '../../src/model/machine.ts';
import type { Placement, UnitName } from '../../src/model/unit.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import type { Log } from '../../src/runtime/log.ts';
import { silentLog } from '../../src/runtime/log.ts';
import {
  decode,
  encode,
  type BrakeRecord,
  type RecordKind,
  type Records,
} from '../../src/registry/codec.ts';
import { keysUnder, type Keys } from '../../src/registry/keys.ts';
import { storedOptionsOf } from '../../src/unitfile/format.ts';
import { parseUnitFile } from '../../src/unitfile/parse.ts';
import { optionsOf } from '../../src/unitfile/format.ts';
import { hashOfOptions, sha256Of } from '../../src/unitfile/hash.ts';
import { putUnit } from '../../src/registry/units.ts';
import type { Kv, LeaseId } from '../../src/store/kv.ts';
import { machineId, machineRecord, unitName } from './cluster.ts';

const never = new AbortController().signal;
let requests = 0;

export class EngineCluster {
  readonly keys: Keys = keysUnder('/_coreos.com/fleet/');
  readonly kv: Kv;
  readonly clock: Clock;
  readonly #leases = new Map<string, LeaseId>();
  readonly #lives = new Map<string, AbortController>();
  readonly #engines: { stop: AbortController; done: Promise<unknown> }[] = [];

  constructor(kv: Kv, clock: Clock) {
    this.kv = kv;
    this.clock = clock;
  }

  /** Registers a machine; `ttlSec` is renewed only by `renew`. */
  async join(
    name: string,
    options: {
      metadata?: Machine['metadata'];
      ttlSec?: number;
      leaseSec?: number;
      returned?: boolean;
    } = {},
  ): Promise<MachineId> {
    const { ttlSec = 30, leaseSec = ttlSec, returned = false } = options;
    const record = { ...machineRecord(name, options.metadata), ttlSec, returned };
    const lease = await this.kv.grantLease(leaseSec, never);
    this.#leases.set(name, lease);
    await this.#put(this.keys.machine(record.id), encode('machine', record), lease);
    return record.id;
  }

  async renew(name: string): Promise<void> {
    await this.kv.renewLease(this.#leases.get(name)!, never);
  }

  /** Registers a machine that renews its lease every third of its ttl, the first time after `firstMs`, until `die` or `leave`. */
  async live(name: string, { ttlSec = 3, firstMs = 1_000, returned = false } = {}): Promise<void> {
    await this.join(name, { ttlSec, returned });
    const stop = new AbortController();
    this.#lives.get(name)?.abort(new Error('comes back'));
    this.#lives.set(name, stop);
    const renewing = (async () => {
      await this.clock.sleep(firstMs, stop.signal);
      for (;;) {
        await this.renew(name);
        await this.clock.sleep((ttlSec * 1_000) / 3, stop.signal);
      }
    })();
    renewing.catch(() => undefined);
  }

  /** Its lease is not renewed any more. */
  die(name: string): void {
    this.#lives.get(name)?.abort(new Error('dies'));
  }

  /** It says that it goes, and goes. Its units are as they were: the engine has to see to them. */
  async leave(name: string): Promise<void> {
    this.die(name);
    const record = { ...machineRecord(name, {}, true), ttlSec: 3 };
    await this.#put(
      this.keys.machine(record.id),
      encode('machine', record),
      this.#leases.get(name)!,
    );
    await this.vanish(name);
  }

  /** The machine says that it runs a unit that no record speaks of. */
  async orphan(
    name: string,
    machine: string,
    { text = '[Service]\nExecStart=/bin/true\n', activeState = 'active' } = {},
  ): Promise<void> {
    const record = {
      name: unitName(name),
      machine: machineId(machine),
      hash: hashOfOptions(optionsOf(parseUnitFile(text).ok!)),
      generation: 3,
      desiredState: 'launched',
      text,
      loadState: 'loaded',
      activeState,
      subState: 'x',
    } as const;
    const key = this.keys.orphan(record.machine, record.name);
    await this.kv.txn({ then: [{ kind: 'put', key, value: encode('orphan', record) }] }, never);
  }

  /** Writes the key under its lease as a machine has it that never was gone. */
  async rewrite(name: string, ttlSec = 3): Promise<void> {
    const record = { ...machineRecord(name), ttlSec };
    await this.#put(
      this.keys.machine(record.id),
      encode('machine', record),
      this.#leases.get(name)!,
    );
  }

  /** The machine's key goes, as when its lease ends. */
  async vanish(name: string): Promise<void> {
    await this.kv.revokeLease(this.#leases.get(name)!, never);
  }

  /** Submits a unit and wants it launched. */
  async start(name: string, fleet = ''): Promise<void> {
    const text = `[Service]\nExecStart=/bin/sleep inf\n[X-Fleet]\n${fleet}\n`;
    const options = optionsOf(parseUnitFile(text).ok!);
    await putUnit(
      {
        kv: this.kv,
        keys: this.keys,
        unreadable: (_kv, error) => {
          throw error;
        },
      },
      {
        name: unitName(name),
        requestId: `request-${(requests += 1)}`,
        file: {
          text,
          hash: hashOfOptions(options),
          sha256: sha256Of(text),
          options: storedOptionsOf(options),
          description: '',
        },
        desiredState: 'launched',
      },
      never,
    );
  }

  /** Where units are placed, 'a.service on m1' each, in order of name. */
  async placements(): Promise<readonly string[]> {
    return (await this.placementRecords()).map(
      ({ name, machine, release }) =>
        `${name} on m${Number(machine.slice(0, 8))}${release ? ' (release)' : ''}`,
    );
  }

  async placementRecords(): Promise<readonly Placement[]> {
    const { kvs } = await this.kv.range(this.keys.placements, {}, never);
    return kvs.map((kv) => decode('placement', kv.key, kv.value));
  }

  async pending(name: string): Promise<object | undefined> {
    return await this.#read('pending', this.keys.pending(unitName(name)));
  }

  /** What is remembered of a machine that is away. */
  async host(name: string): Promise<Host | undefined> {
    return await this.#read('host', this.keys.host(machineId(name)));
  }

  async brake(): Promise<BrakeRecord | undefined> {
    return await this.#read('brake', this.keys.brake);
  }

  /** A person says that the machine is gone. */
  async evict(name: string): Promise<void> {
    const key = this.keys.host(machineId(name));
    const host = { id: machineId(name), ...(await this.host(name)), evict: true };
    await this.kv.txn({ then: [{ kind: 'put', key, value: encode('host', host) }] }, never);
  }

  /** Writes since when the machine is absent, as if time had passed. */
  async backdate(name: string, absentSinceMs: number): Promise<void> {
    const key = this.keys.host(machineId(name));
    const host = { id: machineId(name), ...(await this.host(name)), absentSinceMs };
    await this.kv.txn({ then: [{ kind: 'put', key, value: encode('host', host) }] }, never);
  }

  /** The units whose copies for that machine are marked. */
  async marks(name: string): Promise<readonly string[]> {
    const { kvs } = await this.kv.range(this.keys.scheduleOf(machineId(name)), {}, never);
    const held = kvs.map((kv) => decode('assignment', kv.key, kv.value));
    return held.filter(({ release }) => release).map((one) => one.name);
  }

  async #read<K extends RecordKind>(kind: K, key: string): Promise<Records[K] | undefined> {
    const { gets } = await this.kv.txn({ then: [{ kind: 'get', key }] }, never);
    return gets[0] === undefined ? undefined : decode(kind, key, gets[0].value);
  }

  /** Does what a host does with a mark: deletes its key. */
  async handOver(name: string, machine: string): Promise<void> {
    await this.kv.txn(
      { then: [{ kind: 'delete', key: this.keys.schedule(machineId(machine), unitName(name)) }] },
      never,
    );
  }

  async #put(key: string, value: string, lease: LeaseId): Promise<void> {
    await this.kv.txn({ then: [{ kind: 'put', key, value, lease }] }, never);
  }

  /** Starts an engine over the store. `log` and `filters` may be the test's. */
  runEngine(name: string, overrides: Partial<EngineDeps> = {}): AbortController {
    const stop = new AbortController();
    const done = runEngine(
      {
        kv: this.kv,
        keys: this.keys,
        clock: this.clock,
        machine: machineId(name),
        random: () => 0.5,
        log: silentLog,
        intervalMs: 2_000,
        evidence: {
          answeredSince: () => 0,
          restoredAt: () => -Infinity,
          reachedAt: () => -Infinity,
          ttlSec: 30,
        },
        ...overrides,
      },
      stop.signal,
    );
    done.catch(() => undefined);
    this.#engines.push({ stop, done });
    return stop;
  }

  async close(): Promise<void> {
    for (const name of this.#lives.keys()) this.die(name);
    for (const { stop } of this.#engines) stop.abort(new Error('test ended'));
    await Promise.allSettled(this.#engines.map(({ done }) => done));
    await this.kv.close();
  }
}

/** Collects what is logged, as `message kind unit`. */
export function collectingLog(lines: string[]): Log {
  const write = (fields: object, message: string): void => {
    const { unit, kind } = fields as { unit?: UnitName; kind?: string };
    lines.push([message, kind, unit].filter((part) => part !== undefined).join(' '));
  };
  return {
    ...silentLog,
    error: write,
    warn: write,
    info: write,
    write: (text) => {
      for (const line of text.trimEnd().split('\n')) {
        const { msg, ...fields } = JSON.parse(line) as { msg: string };
        write(fields, msg);
      }
    },
  };
}
