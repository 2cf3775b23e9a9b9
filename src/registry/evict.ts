// A person says that an absent machine is gone for good: its units are placed elsewhere at once, whatever the engine thinks of it.
// Invariant: a machine whose key is there is never marked so, not even for the moment between reading and writing.
import { FleetError } from '../model/errors.ts';
import { CAS_TRIES_MAX } from '../model/limits.ts';
import type { Host, MachineId } from '../model/machine.ts';
import type { Operation, TxnResult } from '../store/kv.ts';
import { encode } from './codec.ts';
import { readRecord, type Registry } from './registry.ts';

/** Marks an absent machine; idempotent. Throws MACHINE_PRESENT for one that is there, MACHINE_NOT_FOUND for one that nothing tells of. */
export async function evictMachine(
  registry: Registry,
  id: MachineId,
  signal: AbortSignal,
): Promise<Host> {
  const { keys, kv } = registry;
  const gets: readonly Operation[] = [
    { kind: 'get', key: keys.machine(id) },
    { kind: 'get', key: keys.host(id) },
  ];
  let found: TxnResult = await kv.txn({ then: gets }, signal);
  for (let attempt = 1; attempt <= CAS_TRIES_MAX; attempt += 1) {
    const [machine, stored] = found.gets;
    if (machine !== undefined) throw present(id);
    if (stored === undefined && !(await isKnown(registry, id, signal))) throw notKnown(id);
    // A record that cannot be read is overwritten: it only says since when.
    const host: Host = {
      ...(stored === undefined ? undefined : readRecord(registry, 'host', stored)),
      id,
      evict: true,
    };
    found = await kv.txn(
      {
        compares: [
          { key: keys.machine(id), target: 'create', equals: 0n },
          { key: keys.host(id), target: 'mod', equals: stored?.modRevision ?? 0n },
        ],
        then: [{ kind: 'put', key: keys.host(id), value: encode('host', host) }],
        else: gets,
      },
      signal,
    );
    if (found.succeeded) return host;
  }
  throw new FleetError(
    'REGISTRY_BUSY',
    `what is known of machine '${id}' was changed by others ${CAS_TRIES_MAX} times while this request was tried`,
    { hint: 'Try again.', details: { machine: id } },
  );
}

/** Without an engine nobody has recorded that it went; its copies of units tell of it all the same. */
async function isKnown(registry: Registry, id: MachineId, signal: AbortSignal): Promise<boolean> {
  const { kv, keys } = registry;
  const { kvs } = await kv.range(keys.scheduleOf(id), { limit: 1, keysOnly: true }, signal);
  return kvs.length > 0;
}

function present(id: MachineId): FleetError {
  return new FleetError('MACHINE_PRESENT', `machine '${id}' is present`, {
    hint: 'To take it out, stop fleet there: systemctl stop fleet.socket fleet.service',
    details: { machine: id },
  });
}

function notKnown(id: MachineId): FleetError {
  return new FleetError('MACHINE_NOT_FOUND', `no machine '${id}' was ever in this cluster`, {
    hint: 'See: fleetctl list-machines --full --fields machine,status',
    details: { machine: id },
  });
}
