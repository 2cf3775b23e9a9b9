// The engine's plan: cluster × the units that changed → actions, at most `limit` units at a time, peers before those that follow them.
// Invariant: pure and deterministic; a unit whose planning throws is pending as internal, and the others are planned all the same.
import type { UnitName } from '../model/unit.ts';
import type { ClusterPicture } from '../scheduler/cluster.ts';
import type { Draft, UnitEntry } from '../scheduler/entries.ts';
import { isWanted } from '../scheduler/entries.ts';
import type { Filters } from '../scheduler/filters.ts';
import { FILTERS } from '../scheduler/filters.ts';
import { pendingBecause } from '../scheduler/why-not.ts';
import type { EngineAction } from './engine-actions.ts';
import { decideUnit, explainPending } from './engine-decision.ts';

export interface EnginePlan {
  /** In the order of decision. Those of one unit stand together and have the same `expected`: they belong into one transaction. */
  readonly actions: readonly EngineAction[];
  /** Units of `dirty` beyond `limit`: they stay dirty. */
  readonly undecided: readonly UnitName[];
  /** Units whose planning threw, and what. */
  readonly faults: readonly Readonly<{ unit: UnitName; error: unknown }>[];
}

/** Decides the first `limit` of the dirty units by name. The picture is the same afterwards as before. */
export function planEngine(
  picture: ClusterPicture,
  dirty: Iterable<UnitName>,
  limit: number,
  filters: Filters = FILTERS,
): EnginePlan {
  const names = [...dirty].sort();
  const actions: EngineAction[] = [];
  const faults: { unit: UnitName; error: unknown }[] = [];
  picture.drafting((draft) => {
    for (const name of peersFirst(picture, names.slice(0, limit))) {
      const entry = picture.unit(name);
      if (entry === undefined) continue;
      try {
        const decided = decideUnit({ picture, filters }, entry);
        for (const action of decided) follow(picture, action, draft);
        actions.push(...decided);
      } catch (error) {
        faults.push({ unit: name, error });
        if (isWanted(entry))
          actions.push(...explainPending(entry, pendingBecause(entry, 'internal')));
      }
    }
  });
  return { actions, undecided: names.slice(limit), faults };
}

/** The rest of the plan sees where the action puts its unit. */
function follow(picture: ClusterPicture, action: EngineAction, draft: Draft): void {
  const entry = picture.unit(action.unit);
  if (entry === undefined) return;
  switch (action.kind) {
    case 'place':
    case 'evict':
    case 'update':
      return draft(entry, picture.machine(action.machine), false);
    case 'release':
      return draft(entry, picture.machine(action.machine), true);
    case 'unplace':
      return draft(entry, undefined, false);
    case 'withdraw':
    case 'pending':
    case 'settled':
  }
}

/** By name, but for MachineOf=: a unit comes after those it is to be with, as far as they are to be decided too. */
function peersFirst(picture: ClusterPicture, names: readonly UnitName[]): readonly UnitName[] {
  const unvisited = new Set(names);
  const ordered = new Set<UnitName>();
  for (const name of names) {
    // A stack of its own: chains may be long. A circle is cut where it closes.
    const stack = [name];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const peers = unvisited.delete(top) ? peersOf(picture.unit(top)) : [];
      const before = peers.filter((peer) => unvisited.has(peer));
      if (before.length === 0) {
        stack.pop();
        ordered.add(top);
      } else stack.push(...before.toReversed());
    }
  }
  return [...ordered];
}

function peersOf(entry: UnitEntry | undefined): readonly UnitName[] {
  return entry?.needs.machineOf ?? [];
}
