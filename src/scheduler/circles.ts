// Units that wait for themselves: MachineOf= in a circle, and a unit that drives away what it has to go with.
// Invariant: a circle is named by units that are known; a walk ends after so many steps, whatever refers to what.
import type { UnitName } from '../model/unit.ts';
import type { ClusterPicture } from './cluster.ts';
import type { MachineEntry, UnitEntry } from './entries.ts';
import { peersOn } from './needs-on.ts';

/** Units that one walk visits at most. Beyond that no circle is claimed. */
const VISITED_MAX = 1000;

/**
 * The MachineOf= circle that keeps the unit from being placed, from its first unit round to it again: the unit is one of them, or
 * waits for them.
 */
export function peerCircle(
  picture: ClusterPicture,
  unit: UnitEntry,
): readonly UnitName[] | undefined {
  const path: { readonly entry: UnitEntry; readonly peers: Iterator<UnitEntry> }[] = [];
  const visited = new Set<UnitEntry>();
  const enter = (entry: UnitEntry): void => {
    visited.add(entry);
    path.push({ entry, peers: missingPeers(picture, entry) });
  };
  enter(unit);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const { done, value: peer } = top.peers.next();
    if (done === true) {
      path.pop();
      continue;
    }
    const closes = path.findIndex(({ entry }) => entry === peer);
    if (closes !== -1) return [...path.slice(closes).map(({ entry }) => entry.name), peer.name];
    if (!visited.has(peer) && visited.size < VISITED_MAX) enter(peer);
  }
  return undefined;
}

/**
 * A unit that `unit` replaces, and that moves `unit` when it moves itself: because `unit` follows it, or is replaced by it, or by way
 * of others. The two would never come to rest. From `unit` to that one, each going where the next one makes it go.
 */
export function replaceCircle(
  picture: ClusterPicture,
  unit: UnitEntry,
  machine: MachineEntry,
): readonly UnitName[] | undefined {
  if (unit.replaces.declares.length === 0) return undefined;
  const movedBy = new Map<UnitEntry, UnitEntry>();
  const queue = [unit];
  for (const entry of queue) {
    for (const mover of moversOf(picture, entry, machine)) {
      if (mover === unit || movedBy.has(mover) || movedBy.size >= VISITED_MAX) continue;
      movedBy.set(mover, entry);
      if (picture.relations.replacesOn(unit, mover, machine)) return pathTo(mover, movedBy);
      queue.push(mover);
    }
  }
  return undefined;
}

function pathTo(last: UnitEntry, movedBy: ReadonlyMap<UnitEntry, UnitEntry>): readonly UnitName[] {
  const path: UnitName[] = [];
  for (let at: UnitEntry | undefined = last; at !== undefined; at = movedBy.get(at))
    path.unshift(at.name);
  return path;
}

/** What runs and makes the unit move: its peers, and those that replace it. */
function* moversOf(
  picture: ClusterPicture,
  entry: UnitEntry,
  machine: MachineEntry,
): IterableIterator<UnitEntry> {
  for (const name of peersOn(entry.needs, machine)) {
    const peer = picture.unit(name);
    if (peer !== undefined && runs(peer)) yield peer;
  }
  for (const other of picture.relations.replacersOf(entry, machine)) if (runs(other)) yield other;
}

function* missingPeers(picture: ClusterPicture, entry: UnitEntry): IterableIterator<UnitEntry> {
  for (const name of entry.needs.machineOf) {
    const peer = picture.unit(name);
    if (peer !== undefined && (!runs(peer) || peer.at?.presence === 'absent')) yield peer;
  }
}

function runs(entry: UnitEntry): boolean {
  return entry.at !== undefined || entry.globalActive;
}
