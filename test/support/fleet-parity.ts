// Runs one small cluster through fleet 1.0's rules, in many orders, and through ours: what each places where.
// Invariant: a row that departs says why, and is one: no order of the original's comes to what ours does.
import { describe, expect, it } from 'vitest';
import type { Metadata } from '../../src/model/machine.ts';
import type { DesiredState } from '../../src/model/unit.ts';
import { globalRunsOn } from '../../src/scheduler/global-runs.ts';
import type { ShortMachine, UnitWords } from './cluster.ts';
import { short } from './cluster.ts';
import { EngineWorld } from './engine-world.ts';
import type { ClusterControls, Order } from './fleet-one.ts';
import { FleetOne, shuffled } from './fleet-one.ts';

export type Change = (cluster: ClusterControls) => void;

export interface ParityRow {
  readonly name: string;
  /** Changes that happen at once; both come to rest after each list. */
  readonly steps: readonly (readonly Change[])[];
  /** What ours comes to: `a:m1 g:m1,m2`, by name, without what is nowhere. */
  readonly places: string;
  /** Left out: the original comes to the same, whatever order it looks at units in. */
  readonly original?: 'in some order' | Departure;
}

export interface Departure {
  /** What the original comes to instead: in each order, or in one of them. */
  readonly places: string;
  /** Where it says that this is meant, or why the original's own is a fault. */
  readonly because: string;
}

/** What the original comes to when it never stops moving units. */
export const NEVER_RESTS = 'never rests';

const ORDERS = 60;

/** A unit; names without a dot are services, in the words too. */
export function put(name: string, words: UnitWords = {}): Change {
  const lists = { of: words.of, conflicts: words.conflicts, replaces: words.replaces };
  const full = Object.fromEntries(
    Object.entries(lists).flatMap(([key, list]) =>
      list === undefined ? [] : [[key, list.map(services)]],
    ),
  );
  return (cluster) => cluster.put(services(name), { ...words, ...full });
}

export function want(name: string, state: DesiredState): Change {
  return (cluster) => cluster.want(services(name), state);
}

export function destroy(name: string): Change {
  return (cluster) => cluster.destroy(services(name));
}

export function up(name: ShortMachine, metadata: Metadata = {}): Change {
  return (cluster) => cluster.machineUp(name, metadata);
}

/** The machine is lost: its key vanishes, and the engine believes it. */
export function gone(name: ShortMachine): Change {
  return (cluster) => cluster.machineGone(name);
}

/** The machine goes in good order. */
export function leaves(name: ShortMachine): Change {
  return (cluster) => cluster.machineUp(name, {}, true);
}

/** Machines without metadata. */
export function machines(...names: readonly ShortMachine[]): readonly Change[] {
  return names.map((name) => up(name));
}

/** Two tests a row: that ours comes to what it says, and that the original does. */
export function parityTable(tables: readonly (readonly [string, readonly ParityRow[]])[]): void {
  describe.for(tables)('as fleet 1.0 places units: %s', ([, rows]) => {
    it.for(rows)('$name', (row) => {
      expect(oursPlaces(row)).toBe(row.places);
    });

    it.for(rows)('the original: $name', (row) => {
      const found = [...originalPlaces(row)];
      if (row.original === undefined) expect(found).toEqual([row.places]);
      else if (row.original === 'in some order') {
        expect(found).toContain(row.places);
        expect(found.length, 'the order matters').toBeGreaterThan(1);
      } else {
        expect(found).toContain(row.original.places);
        expect(found).not.toContain(row.places);
      }
    });
  });
}

/** What ours comes to. */
export function oursPlaces({ steps }: Pick<ParityRow, 'steps'>): string {
  const world = new EngineWorld();
  for (const changes of steps) {
    for (const change of changes) change(world);
    world.rest();
  }
  return wordsOf(oursIn(world));
}

/** All that the original comes to in one order or another. */
function originalPlaces({ steps }: Pick<ParityRow, 'steps'>): ReadonlySet<string> {
  const found = new Set<string>();
  for (let seed = 1; seed <= ORDERS; seed += 1) found.add(originalIn(shuffled(seed), steps));
  return found;
}

/** What the original comes to in one order. */
export function originalIn(order: Order, steps: ParityRow['steps']): string {
  const fleet = new FleetOne(order);
  let rests = true;
  for (const changes of steps) {
    for (const change of changes) change(fleet);
    rests = fleet.rest();
  }
  return rests ? wordsOf(fleet.places()) : NEVER_RESTS;
}

function oursIn(world: EngineWorld): Readonly<Record<string, string>> {
  const places: Record<string, string> = {};
  const { picture } = world;
  const present = [...picture.candidates.byId()];
  for (const unit of picture.units()) {
    const at = unit.globalActive
      ? present.filter((machine) => globalRunsOn(picture, unit, machine))
      : present.filter((machine) => unit.at === machine && !unit.releasing);
    if (at.length > 0) places[unit.name] = at.map(({ id }) => short(id)).join(' ');
  }
  return places;
}

function wordsOf(places: Readonly<Record<string, string>>): string {
  return Object.entries(places)
    .map(([name, at]) => `${name.replace(/\.service$/, '')}:${at.replaceAll(' ', ',')}`)
    .sort()
    .join(' ');
}

function services(names: string): string {
  return names
    .split(' ')
    .map((name) => (name.includes('.') ? name : `${name}.service`))
    .join(' ');
}
