// Changes of the mirror → the picture. A record that does not decode is named, counted and left out; it never stops the rest.
import { isFleetError } from '../model/errors.ts';
import { isRunning } from '../model/unit-state.ts';
import type { Host, Machine, MachineId } from '../model/machine.ts';
import { parseClusterKey, type ClusterKey, type Keys } from '../registry/keys.ts';
import { decode, type RecordKind, type Records } from '../registry/codec.ts';
import type { ClusterPicture } from '../scheduler/cluster.ts';
import type { KeyValue, Revision } from '../store/kv.ts';
import type { Change } from '../store/mirror.ts';

export interface FeedDeps {
  readonly keys: Keys;
  readonly picture: ClusterPicture;
  /** Told of each change of a machine's key, before the picture is; with the key as it stands. */
  readonly machine: (id: MachineId, machine: Machine | undefined, kv?: KeyValue) => void;
  /** Told of each change of what outlives it. */
  readonly host: (id: MachineId, host: Host | undefined, revision: Revision) => void;
  /** Called for each record that does not decode. */
  readonly unreadable: (key: string, error: Error) => void;
}

/** Applies one change; `revision` is that up to which the mirror is true. */
export function feed(deps: FeedDeps, change: Change, revision: Revision): void {
  const what = parseClusterKey(deps.keys, change.key);
  if (what === undefined) return; // a newer version's, or a stranger's
  try {
    apply(deps, what, change, change.kv?.modRevision ?? revision);
  } catch (error) {
    if (!isFleetError(error, 'REGISTRY_RECORD_INVALID')) throw error;
    deps.picture.markUnreadable(what);
    deps.unreadable(change.key, error);
  }
}

function apply(
  { picture, machine, host }: FeedDeps,
  what: ClusterKey,
  { key, kv }: Change,
  revision: Revision,
): void {
  const read = <K extends RecordKind>(kind: K): Records[K] | undefined =>
    kv === undefined ? undefined : decode(kind, key, kv.value);
  switch (what.kind) {
    case 'unit':
      return picture.applyUnit(what.name, read('unit'), revision);
    case 'placed':
      return picture.applyPlacement(what.name, read('placement'), revision);
    case 'global':
      return picture.applyGlobal(what.name, read('global'), revision);
    case 'schedule':
      return picture.applyAssignment(what.machine, what.name, read('assignment'), revision);
    case 'orphan': {
      const orphan = read('orphan');
      return picture.applyOrphan(
        what.machine,
        what.name,
        orphan !== undefined && isRunning(orphan),
      );
    }
    case 'machine':
      machine(what.machine, read('machine'), kv);
      return picture.applyMachine(what.machine, read('machine'));
    case 'host':
      host(what.machine, read('host'), kv?.modRevision ?? 0n);
      return picture.applyHost(what.machine, read('host'));
    case 'metadata':
      return picture.applyMetadata(what.machine, what.key, read('metadata'));
  }
}
