// What the leader has recorded of machines that are away: since when, and whether the brake holds their units where they are.
import type { Host, MachineId } from '../model/machine.ts';
import type { KeyValue, Operation } from '../store/kv.ts';
import type { BrakeRecord, RecordKind, Records } from './codec.ts';
import { readRecord, type Registry } from './registry.ts';

export interface Away {
  readonly host: Host | undefined;
  /** Also one whose time is over. */
  readonly brake: BrakeRecord | undefined;
}

/** Reads what is recorded of one machine, and the brake. */
export async function readAway(
  registry: Registry,
  machine: MachineId,
  signal: AbortSignal,
): Promise<Away> {
  const { keys, kv } = registry;
  const { gets } = await kv.txn({ then: [get(keys.host(machine)), get(keys.brake)] }, signal);
  const [host, brake] = gets;
  return { host: recordOf(registry, 'host', host), brake: recordOf(registry, 'brake', brake) };
}

/** The brake, if one was pulled and not all of its machines are back. */
export async function readBrake(
  registry: Registry,
  signal: AbortSignal,
): Promise<BrakeRecord | undefined> {
  const { gets } = await registry.kv.txn({ then: [get(registry.keys.brake)] }, signal);
  return recordOf(registry, 'brake', gets[0]);
}

function recordOf<K extends RecordKind>(
  registry: Registry,
  kind: K,
  found: KeyValue | undefined,
): Records[K] | undefined {
  return found === undefined ? undefined : readRecord(registry, kind, found);
}

function get(key: string): Operation {
  return { kind: 'get', key };
}
