// A cluster of very many placed units, written straight into a store: what is started beside them must not notice them.
import type { MachineId } from '../../src/model/machine.ts';
import type { UnitName } from '../../src/model/unit.ts';
import { encode } from '../../src/registry/codec.ts';
import type { Keys } from '../../src/registry/keys.ts';
import type { Kv, Operation } from '../../src/store/kv.ts';
import { sha256Of } from '../../src/unitfile/hash.ts';
import {
  assignmentRecord,
  machineId,
  machineRecord,
  placementRecord,
  unitRecord,
} from './cluster.ts';

const never = new AbortController().signal;
/** transactions under way at once */
const WRITERS = 16;
const TEXT = '[Service]\nExecStart=/bin/sleep inf\n';

export interface BigClusterOptions {
  /** They have a key under a lease of their own, and nobody behind it. */
  readonly machines: number;
  /** Names `u<N>.service`, dealt out to the machines in turn; launched, and reported active. */
  readonly units: number;
  /** seconds; default an hour. */
  readonly leaseSec?: number;
}

/** Machines `m1`…, units `u0.service`…. Answers the ids of the machines. */
export async function fillCluster(
  kv: Kv,
  keys: Keys,
  { machines, units, leaseSec = 3600 }: BigClusterOptions,
): Promise<readonly MachineId[]> {
  const lease = await kv.grantLease(leaseSec, never);
  const ids = Array.from({ length: machines }, (_, i) => machineId(`m${i + 1}`));
  const sha256 = sha256Of(TEXT);
  const operations: Operation[] = ids.map((id, i) => ({
    kind: 'put',
    key: keys.machine(id),
    value: encode('machine', machineRecord(`m${i + 1}`)),
    lease,
  }));
  operations.push({ kind: 'put', key: keys.file(sha256), value: TEXT });
  for (let i = 0; i < units; i += 1) {
    const id = ids[i % machines];
    if (id !== undefined) operations.push(...unitOperations(keys, `u${i}.service`, { id, sha256 }));
  }
  await writeAll(kv, operations);
  return ids;
}

function unitOperations(
  keys: Keys,
  text: string,
  { id, sha256 }: { id: MachineId; sha256: string },
): readonly Operation[] {
  const unit = { ...unitRecord(text), sha256 };
  const { hash, generation } = unit;
  const name: UnitName = unit.name;
  const state = {
    name,
    machine: id,
    loadState: 'loaded',
    activeState: 'active',
    subState: 'running',
    hash,
    generation,
    started: generation,
    job: 'done' as const,
    incarnation: 'boot',
  };
  return [
    { kind: 'put', key: keys.unit(name), value: encode('unit', unit) },
    {
      kind: 'put',
      key: keys.placed(name),
      value: encode('placement', placementRecord(unit, id, false)),
    },
    {
      kind: 'put',
      key: keys.schedule(id, name),
      value: encode('assignment', assignmentRecord(unit, id, false)),
    },
    { kind: 'put', key: keys.state(name, id), value: encode('state', state) },
  ];
}

async function writeAll(kv: Kv, operations: readonly Operation[]): Promise<void> {
  let at = 0;
  const writer = async (): Promise<void> => {
    while (at < operations.length) {
      const then = operations.slice(at, (at += 100));
      await kv.txn({ then }, never);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}
