// A member of a fleet in this process: presence, host and, if asked, engine, as fleetd makes them, over a store, and a systemd in memory.
// Invariant: only systemd and the disk are not the real ones; what is asked of the store is what a real member asks.
import { randomUUID } from 'node:crypto';
import { parseConfig } from '../../agent/config.ts';
import { openHost, openPresence, type Base } from '../../agent/daemon-parts.ts';
import { IdentityFile } from '../../agent/identity.ts';
import type { Presence } from '../../agent/presence.ts';
import { runEngine } from '../../src/engine/engine.ts';
import type { MachineId, Metadata } from '../../src/model/machine.ts';
import type { Keys } from '../../src/registry/keys.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { runTogether } from '../../src/runtime/tasks.ts';
import type { Filters } from '../../src/scheduler/filters.ts';
import type { Kv } from '../../src/store/kv.ts';
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
  const { keys, clock, id, ttlSec, engine } = options;
  const disk = new MemoryDisk();
  const systemd = new FakeSystemd((path) => disk.text(path));
  const parts = { config: configOf(options), log: silentLog, env: {}, pid: 1, random: Math.random };
  const base = await baseOf(options, { disk, systemd, config: parts.config });
  const presence = openPresence(parts, base);
  const host = await openHost(parts, base, presence);
  const loops: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => presence.run(signal),
    (signal) => host.run(signal),
  ];
  if (engine !== undefined) {
    const evidence = {
      answeredSince: () => presence.answeredSince(),
      restoredAt: () => -Infinity,
      reachedAt: () => -Infinity,
      ttlSec,
    };
    const common = { clock, random: Math.random, log: silentLog, keys, machine: id, evidence };
    loops.push((signal) => runEngine({ ...common, ...engine, intervalMs: 2_000 }, signal));
  }
  const end = new AbortController();
  const running = runTogether(end.signal, loops).catch((error: unknown) => {
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

function configOf({ ttlSec, metadata = {} }: MemberOptions): Base['settings']['config'] {
  const pairs = Object.entries(metadata).map(([key, value]) => `${key}=${value}`);
  const env = {
    FLEET_METADATA: pairs.join(','),
    FLEET_AGENT_TTL: `${ttlSec}s`,
    FLEET_PUBLIC_IP: '192.0.2.1',
  };
  return parseConfig({ env, uid: 0, standalone: false }).config;
}

async function baseOf(
  { kv, keys, clock, id }: MemberOptions,
  {
    disk,
    systemd,
    config,
  }: { disk: MemoryDisk; systemd: FakeSystemd; config: Base['settings']['config'] },
): Promise<Base> {
  const of = { bootId: 'boot', machineId: id };
  const ports = { disk, newId: randomUUID };
  return {
    clock,
    disk,
    machine: id,
    registry: { kv, keys, unreadable: () => undefined },
    systemd,
    settings: { config, primaryIp: config.publicIp, runtimes: new Map() },
    identity: await IdentityFile.open('/run/fleet/identity.json', of, ports),
    bootId: of.bootId,
  };
}
