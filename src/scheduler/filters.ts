// May this machine take this unit, and may it keep it? Each filter answers a refusal, or undefined.
// Invariant: a filter reads what concerns this unit on this machine; none goes through all units or all machines.
import { PENDING_MACHINES_MAX } from '../model/limits.ts';
import type { Refusal } from '../model/refusal.ts';
import type { UnitName } from '../model/unit.ts';
import { replaceCircle } from './circles.ts';
import type { ClusterPicture } from './cluster.ts';
import type { Links, MachineEntry, UnitEntry } from './entries.ts';
import { globalRunsOn } from './global-runs.ts';
import {
  refusesCapability,
  refusesMachineId,
  refusesMetadata,
  refusesRuntime,
} from './machine-filters.ts';
import { peersOn } from './needs-on.ts';
import type { Pattern } from './pattern-index.ts';
import { GLOBAL } from './pattern-index.ts';

export type Filter = (
  unit: UnitEntry,
  machine: MachineEntry,
  picture: ClusterPicture,
) => Refusal | undefined;

/** What a plan asks of a machine. A parameter of the plan, so that a test can count or break them. */
export interface Filters {
  /** For a unit that is to be placed. */
  readonly take: readonly Filter[];
  /** For a unit that is there: what was allowed stays allowed, so it must only give way where one of two has to. */
  readonly keep: readonly Filter[];
}

/** The first refusal. */
export function refusalOf(
  filters: readonly Filter[],
  unit: UnitEntry,
  machine: MachineEntry,
  picture: ClusterPicture,
): Refusal | undefined {
  for (const filter of filters) {
    const refusal = filter(unit, machine, picture);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

const leaving: Filter = (_unit, machine) =>
  machine.presence === 'leaving' ? { kind: 'leaving' } : undefined;

const machineId: Filter = ({ needs }, machine) => refusesMachineId(needs, machine);

const metadata: Filter = ({ needs }, machine) => refusesMetadata(needs, machine);

const capability: Filter = ({ needs }, machine) => refusesCapability(needs, machine);
/** The last to speak, so that the indexes count the others; what was allowed stays, whatever is uninstalled. */
const runtime: Filter = ({ needs }, machine) => refusesRuntime(needs, machine);

/** MachineOf=: every peer is there, and stays; a global unit is wherever it runs. */
const peers: Filter = (unit, machine, picture) => {
  for (const name of peersOn(unit.needs, machine)) {
    const peer = picture.unit(name);
    if (peer?.globalActive === true) {
      if (!globalRunsOn(picture, peer, machine)) return noPeer(name, undefined);
    } else if (peer?.at !== machine || peer.releasing)
      return noPeer(name, peer?.releasing === true ? undefined : peer?.at);
  }
  return undefined;
};

/** A peer whose records do not decode is no reason to leave it. */
const peersStay: Filter = (unit, machine, picture) => {
  const unknown = peersOn(unit.needs, machine).some(
    (name) => (picture.unit(name)?.unreadable.size ?? 0) > 0,
  );
  return unknown ? undefined : peers(unit, machine, picture);
};

/** Conflicts=, in both directions: also with what is being released, which runs until it is handed over. */
const conflicts: Filter = (unit, machine, picture) => {
  if (isUnrelated(unit.conflicts)) return undefined;
  const placed = lowest(conflictsOf(unit, machine, picture, machine));
  if (placed !== undefined) return placed;
  return lowest(conflictsOf(unit, GLOBAL, picture, machine), (name) => {
    const global = picture.unit(name);
    return global !== undefined && globalRunsOn(picture, global, machine);
  });
};

/** Of two that are here and conflict, the one with the first name stays. A global unit gives way to both. */
const conflictsStay: Filter = (unit, machine, picture) => {
  if (isUnrelated(unit.conflicts)) return undefined;
  const stays = (name: UnitName): boolean =>
    name < unit.name && picture.unit(name)?.releasing === false;
  return lowest(conflictsOf(unit, machine, picture, machine), stays);
};

/** Replaces=: no place beside a unit that replaces this one; and none at all while it would drive away what moves it. */
const replaced: Filter = (unit, machine, picture) => {
  if (isUnrelated(unit.replaces)) return undefined;
  const circle = replaceCircle(picture, unit, machine);
  const driven = circle?.at(-1);
  if (driven !== undefined && circle !== undefined)
    return { kind: 'replaces', with: driven, circle: circle.slice(0, PENDING_MACHINES_MAX) };
  return lowest(named(picture.relations.replaces.naming(unit, machine, machine), replacedBy));
};

/** Gives way to the unit that replaces it; of two that replace each other the first name stays. */
const replacedStay: Filter = (unit, machine, picture) => {
  if (isUnrelated(unit.replaces)) return undefined;
  const drivesOut = (name: UnitName): boolean => {
    const other = picture.unit(name);
    if (other?.releasing !== false) return false;
    return !picture.relations.replacesOn(unit, other, machine) || name < unit.name;
  };
  const { replaces } = picture.relations;
  return lowest(named(replaces.naming(unit, machine, machine), replacedBy), drivesOut);
};

/** All filters, in the order in which they speak. */
export const FILTERS: Filters = {
  take: [leaving, machineId, metadata, capability, peers, conflicts, replaced, runtime],
  keep: [machineId, metadata, capability, peersStay, conflictsStay, replacedStay],
};

/** Most units name nobody and are named by nobody. */
function isUnrelated({ declares, matchedBy }: Links): boolean {
  return declares.length === 0 && matchedBy.length === 0;
}

function noPeer(peer: UnitName, at: MachineEntry | undefined): Refusal {
  return { kind: 'machine-of', peer, peerOn: at?.id };
}

type Naming = Readonly<{ name: UnitName; refusal: Refusal }>;

function* conflictsOf(
  unit: UnitEntry,
  place: MachineEntry | typeof GLOBAL,
  picture: ClusterPicture,
  on: MachineEntry,
): IterableIterator<Naming> {
  const { conflicts } = picture.relations;
  yield* named(conflicts.namedBy(unit, place, on), (other, { text }) => ({
    kind: 'conflict',
    with: other.name,
    pattern: text,
    declaredBy: unit.name,
  }));
  yield* named(conflicts.naming(unit, place, on), (other, { text }) => ({
    kind: 'conflict',
    with: other.name,
    pattern: text,
    declaredBy: other.name,
  }));
}

function replacedBy(other: UnitEntry): Refusal {
  return { kind: 'replaces', with: other.name };
}

function* named(
  pairs: Iterable<readonly [UnitEntry, Pattern]>,
  refusal: (other: UnitEntry, pattern: Pattern) => Refusal,
): IterableIterator<Naming> {
  for (const [other, pattern] of pairs)
    yield { name: other.name, refusal: refusal(other, pattern) };
}

/** The refusal because of the first name that counts: the same whatever the order of the index. */
function lowest(
  found: Iterable<Naming>,
  counts: (name: UnitName) => boolean = () => true,
): Refusal | undefined {
  let first: Naming | undefined;
  for (const naming of found)
    if ((first === undefined || naming.name < first.name) && counts(naming.name)) first = naming;
  return first?.refusal;
}
