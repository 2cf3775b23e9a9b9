// Pictures of clusters for benchmarks of the plan: machines and units in numbers, without and with requirements.
import type { UnitOption } from '../../src/model/unit.ts';
import { applyAction } from '../../src/reconcile/engine-effects.ts';
import { planEngine } from '../../src/reconcile/engine-plan.ts';
import { ClusterPicture } from '../../src/scheduler/cluster.ts';
import { machineId, machineRecord, unitName, unitRecord } from '../support/cluster.ts';

/** `plain`: nothing is asked for. `mixed`: a quarter each of nothing, metadata, a glob of conflicts, a chain of MachineOf=. */
export type Kind = 'plain' | 'mixed';

const ROLES = ['web', 'db', 'cache', 'batch', 'edge'];
/** units of one application, which conflict with and follow each other */
const APP_UNITS = 40;

/** A picture of so many machines, `m1` and on. */
export function pictureOf(machines: number, kind: Kind): ClusterPicture {
  const picture = new ClusterPicture();
  for (let i = 1; i <= machines; i += 1) addMachine(picture, i, kind);
  return picture;
}

/** The machine `m<i>` joins. */
export function addMachine(picture: ClusterPicture, i: number, kind: Kind): void {
  const role = ROLES[i % ROLES.length] ?? '';
  const metadata = kind === 'plain' ? {} : { role, rack: `r${i % 50}` };
  picture.applyMachine(machineId(`m${i}`), machineRecord(`m${i}`, metadata));
}

/** The `i`-th unit is asked for. */
export function addUnit(picture: ClusterPicture, i: number, kind: Kind): void {
  const app = Math.floor(i / APP_UNITS);
  const name = kind === 'plain' ? `u${i}.service` : `app${app}-${i % APP_UNITS}.service`;
  const options = kind === 'plain' ? [] : optionsOf(i, app);
  picture.applyUnit(unitName(name), { ...unitRecord(name), options }, 1n);
}

function optionsOf(i: number, app: number): readonly UnitOption[] {
  const option = (name: string, value: string): UnitOption[] => [
    { section: 'X-Fleet', name, value },
  ];
  const n = i % APP_UNITS;
  switch (i % 4) {
    case 0:
      return option('MachineMetadata', `role=${ROLES[i % ROLES.length]}`);
    case 1:
      return option('Conflicts', `app${app}-*1.service`);
    // Beside the unit with metadata, or beside the one that does that: a chain of three.
    case 2:
      return option('MachineOf', `app${app}-${n % 8 === 6 ? n - 4 : n - 2}.service`);
    default:
      return [];
  }
}

export interface Planned {
  readonly decisions: number;
  /** ms in the plan itself, and with carrying it out in the picture. */
  readonly planMs: number;
  readonly totalMs: number;
  readonly longestSliceMs: number;
}

let revision = 10n;

/** Plans until nothing is left to decide, slice by slice, and carries each slice out as a commit does. */
export function planAway(picture: ClusterPicture, slice = 500): Planned {
  const began = performance.now();
  let planMs = 0;
  let decisions = 0;
  let longestSliceMs = 0;
  while (picture.dirtyCount > 0) {
    const sliceBegan = performance.now();
    const dirty = picture.takeDirty(slice);
    const { actions, faults } = planEngine(picture, dirty, dirty.length);
    if (faults.length > 0) throw faults[0]?.error;
    decisions += dirty.length;
    planMs += performance.now() - sliceBegan;
    for (const action of actions) applyAction(picture, action, (revision += 1n));
    longestSliceMs = Math.max(longestSliceMs, performance.now() - sliceBegan);
  }
  return { decisions, planMs, totalMs: performance.now() - began, longestSliceMs };
}
