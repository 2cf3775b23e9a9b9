// A member of a fleet in this process: presence, host and, if asked, engine, as fleetd has them, over a store and a systemd in memory.
// Invariant: only systemd and the disk are not the real ones; what is asked of the store is what a real member asks.
import { randomUUID } from 'node:crypto';
import { CarriedOutFile } from '../../agent/carried-out.ts';
import { Host } from '../../agent/host.ts';
import { IdentityFile } from '../../agent/identity.ts';
import { KeptDesired } from '../../agent/kept-desired.ts';
import { Presence } from '../../agent/presence.ts';
import { openUnitDir } from '../../agent/unit-dir.ts';
import { runEngine } from '../../src/engine/engine.ts';
import type { MachineId, Metadata } from '../../src/model/machine.ts';
import type { Keys } from '../../src/registry/keys.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { runTogether } from '../../src/runtime/tasks.ts';
import type { Filters } from '../../src/scheduler/filters.ts';
import type { Kv } from '../../src/store/kv.ts';
import { parseUnitName } from '../../src/unitfile/name.ts';
import { FakeSystemd } from './fake-systemd.ts';
import { MemoryDisk } from './memory-disk.ts';

export interface MemberOptions {
  readonly kv: Kv;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly id: MachineId;
  readonly ttlSec: number;
  readonly metadata?: Metadata;
  /** It campaigns for the leadership; with these filters, if given. */
  readonly engine?: Readonly<{ kv: Kv; filters?: Filters }>;
}

export interface Member {
  readonly id: MachineId;
  readonly systemd: FakeSystemd;
  readonly presence: Presence;
  /** Ends all of it at once, as a kill does. */
  kill(): Promise<void>;
}

/** Starts a member; it registers by itself. */
export async function startMember(options: MemberOptions): Promise<Member> {
  const { kv, keys, clock, id, ttlSec, metadata = {}, engine } = options;
  const disk = new MemoryDisk();
  const systemd = new FakeSystemd((path) => disk.text(path));
  const random = Math.random;
  const of = { bootId: 'boot', machineId: id };
  const identity = await IdentityFile.open('/run/fleet/identity.json', of, {
    disk,
    newId: randomUUID,
  });
  const facts = (): ReturnType<ConstructorParameters<typeof Presence>[0]['facts']> => ({
    id,
    primaryIp: '127.0.0.1',
    hostname: id.slice(0, 8),
    metadata,
    version: '2',
    capacity: { cpus: 1, memoryBytes: 1 },
    capabilities: {},
    ttlSec,
  });
  const common = { clock, random, log: silentLog };
  const presence = new Presence({ ...common, kv, keys, identity, facts });
  const host = new Host({
    ...common,
    registry: { kv, keys, unreadable: () => undefined },
    systemd,
    machine: id,
    incarnation: identity.identity.incarnation,
    unitDir: await openUnitDir({
      directory: '/run/fleet/units',
      disk,
      parseUnitName: (text) => parseUnitName(text).ok,
    }),
    carriedOut: await CarriedOutFile.open('/run/fleet/carried-out.json', 'boot', disk),
    kept: await KeptDesired.open({
      disk,
      directory: '/var/lib/fleet/desired',
      machine: id,
      cluster: keys.prefix,
      log: silentLog,
    }),
    configuredMetadata: () => metadata,
  });
  const evidence = { answeredSince: () => presence.answeredSince(), ttlSec };
  const parts: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => presence.run(signal),
    (signal) => host.run(signal),
  ];
  if (engine !== undefined)
    parts.push((signal) =>
      runEngine({ ...common, ...engine, keys, machine: id, intervalMs: 2_000, evidence }, signal),
    );
  const end = new AbortController();
  const running = runTogether(end.signal, parts).catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  return {
    id,
    systemd,
    presence,
    async kill() {
      end.abort(new Error('killed'));
      await running;
    },
  };
}
