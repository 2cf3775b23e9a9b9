// What the store says of machines that are away: `c/host/ID` and the brake. People read it, and the next leader goes on from it.
// Invariant: written only when it says something new, fenced; a machine that is back has no record.
import { isFleetError } from '../model/errors.ts';
import type { Host, MachineId } from '../model/machine.ts';
import type { Brake } from '../reconcile/absence.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { decode, encode } from '../registry/codec.ts';
import { commit, type Fence, type FencedWrite } from '../registry/commit.ts';
import type { Keys } from '../registry/keys.ts';
import type { Kv, Revision } from '../store/kv.ts';
import type { AbsenceWatch } from './absence-watch.ts';

export interface AbsenceRecordsDeps {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly log: Log;
  readonly fence: Fence;
  readonly absence: AbsenceWatch;
}

interface Known {
  readonly host: Host;
  readonly revision: Revision;
}

interface HostWrite extends FencedWrite {
  readonly id: MachineId;
  /** Undefined: deleted. */
  readonly host: Host | undefined;
}

/** The records of one term. */
export class AbsenceRecords {
  readonly #deps: AbsenceRecordsDeps;
  readonly #hosts = new Map<MachineId, Known>();
  /** Records of before their machines were last seen, by revision: what they say is over. */
  readonly #stale = new Map<MachineId, Revision>();
  /** What the record of the brake was made from. */
  #written: Brake | undefined;

  constructor(deps: AbsenceRecordsDeps) {
    this.#deps = deps;
  }

  /** Told of each change of `c/host/ID`. */
  saw(id: MachineId, host: Host | undefined, revision: Revision): void {
    if (host !== undefined) return void this.#hosts.set(id, { host, revision });
    this.#hosts.delete(id);
    this.#stale.delete(id);
  }

  /** Told of each change of a machine's key, after the watch is. */
  sawMachine(id: MachineId): void {
    const known = this.#hosts.get(id);
    if (known !== undefined && this.#deps.absence.isPresent(id))
      this.#stale.set(id, known.revision);
  }

  /** The brake that an earlier leader pulled, on this process's clock. A record that cannot be read is none: it is written anew. */
  async readBrake(signal: AbortSignal): Promise<Brake | undefined> {
    const { kv, keys, clock, log } = this.#deps;
    const { gets } = await kv.txn({ then: [{ kind: 'get', key: keys.brake }] }, signal);
    const [found] = gets;
    if (found === undefined) return undefined;
    try {
      const { sinceMs, untilMs, machines } = decode('brake', found.key, found.value);
      const nowMs = clock.now();
      // Clocks differ: it never lasts longer from here than it was to last in all.
      const agoMs = Math.max(0, clock.wallNow() - sinceMs);
      this.#written = {
        sinceMs: nowMs - agoMs,
        untilMs: nowMs - agoMs + untilMs - sinceMs,
        machines,
      };
    } catch (error) {
      if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
      log.warn({ key: found.key, err: error.message }, 'the record of the brake is left out');
    }
    return this.#written;
  }

  /** Makes the store say what is believed now. What the store refuses or does not answer is tried again with the next pass. */
  async write(signal: AbortSignal): Promise<void> {
    const { kv, fence, log, absence } = this.#deps;
    const writes = [...this.#goneWrites(), ...this.#backWrites()];
    const { brake } = absence;
    const brakes = this.#brakeWrites(brake);
    if (writes.length === 0 && brakes.length === 0) return;
    try {
      const { committed } = await commit(kv, fence, writes, signal);
      for (const { write, revision } of committed) this.saw(write.id, write.host, revision);
      await commit(kv, fence, brakes, signal);
      this.#written = brake;
    } catch (error) {
      if (!isFleetError(error, 'STORE_UNAVAILABLE')) throw error;
      log.warn({ code: error.code, err: error.message }, 'absence is not recorded, trying again');
    }
  }

  /** Of machines whose keys are gone: since when, and whether that is believed. */
  *#goneWrites(): Generator<HostWrite> {
    const { clock, absence } = this.#deps;
    const wallOffsetMs = clock.wallNow() - clock.now();
    for (const { id, atMs, believed } of absence.gone()) {
      const known = this.#hosts.get(id);
      const host = this.#stale.get(id) === known?.revision ? undefined : known?.host;
      if (host?.lastSeenMs !== undefined && (!believed || host.absentSinceMs !== undefined))
        continue;
      const next: Host = {
        ...host,
        id,
        lastSeenMs: host?.lastSeenMs ?? Math.round(atMs + wallOffsetMs),
        ...(believed ? { absentSinceMs: host?.absentSinceMs ?? clock.wallNow() } : {}),
      };
      yield this.#hostWrite(id, next);
    }
  }

  *#backWrites(): Generator<HostWrite> {
    for (const id of this.#hosts.keys())
      if (this.#deps.absence.isPresent(id)) yield this.#hostWrite(id, undefined);
  }

  #hostWrite(id: MachineId, host: Host | undefined): HostWrite {
    const key = this.#deps.keys.host(id);
    const compares = [{ key, equals: this.#hosts.get(id)?.revision ?? 0n }];
    if (host === undefined) return { id, host, compares, operations: [{ kind: 'delete', key }] };
    return { id, host, compares, operations: [{ kind: 'put', key, value: encode('host', host) }] };
  }

  #brakeWrites(brake: Brake | undefined): readonly FencedWrite[] {
    if (brake === this.#written) return [];
    const key = this.#deps.keys.brake;
    if (brake === undefined) return [{ compares: [], operations: [{ kind: 'delete', key }] }];
    const { clock } = this.#deps;
    const wallOffsetMs = Math.round(clock.wallNow() - clock.now());
    const value = encode('brake', {
      sinceMs: Math.round(brake.sinceMs) + wallOffsetMs,
      untilMs: Math.round(brake.untilMs) + wallOffsetMs,
      machines: brake.machines,
    });
    return [{ compares: [], operations: [{ kind: 'put', key, value }] }];
  }
}
