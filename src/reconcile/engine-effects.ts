// What a committed action changes in the picture: the next plan must see it before the watch brings it back.
// Invariant: the picture is then as if the watch had brought the same puts and deletions at `revision`.
import type { ClusterPicture } from '../scheduler/cluster.ts';
import type { EngineAction } from './engine-actions.ts';

/** Applies an action whose transaction was committed at `revision`. */
export function applyAction(picture: ClusterPicture, action: EngineAction, revision: bigint): void {
  const { unit } = action;
  switch (action.kind) {
    case 'place':
    case 'update':
      picture.applyAssignment(action.machine, unit, action.assignment, revision);
      picture.applyPlacement(unit, action.placement, revision);
      if (action.settles) picture.applyPending(unit, undefined);
      return;
    case 'evict':
      picture.applyAssignment(action.machine, unit, action.assignment, revision);
      picture.applyPlacement(unit, action.placement, revision);
      if (action.left !== undefined)
        picture.applyAssignment(action.from, unit, action.left, revision);
      if (action.settles) picture.applyPending(unit, undefined);
      return;
    case 'release':
      picture.applyAssignment(action.machine, unit, action.assignment, revision);
      picture.applyPlacement(unit, action.placement, revision);
      return;
    case 'unplace':
      if (action.left !== undefined)
        picture.applyAssignment(action.from, unit, action.left, revision);
      picture.applyPlacement(unit, undefined, revision);
      return;
    case 'withdraw':
      picture.applyAssignment(action.machine, unit, action.assignment, revision);
      return;
    case 'pending':
      picture.applyPending(unit, action.pending);
      return;
    case 'settled':
      picture.applyPending(unit, undefined);
  }
}
