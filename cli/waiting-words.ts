// What is still missing of a unit that is waited for, in words. Pure.
import { FleetError } from '../src/model/errors.ts';
import type { UnitView } from './goal.ts';

/** units named at once: of 500 that wait, the first few say it all. */
export const SAID_MAX = 5;

/** What has to happen next, as a clause: `systemd's job on 85c0c595 (activating/start)`. */
export function whatIsMissing(view: UnitView): string {
  if (view.goal === 'inactive' || view.goal === 'destroyed') {
    const on = [...view.states.keys()].map(short);
    if (view.machineID !== undefined && on.length === 0) on.push(short(view.machineID));
    return on.length === 0 ? 'the end of its placement' : `its end on ${on.join(', ')}`;
  }
  if (view.global) return `its end on ${[...view.states.keys()].map(short).join(', ')}`;
  if (view.machineID === undefined)
    return view.pending.length > 0 ? 'a machine that may run it' : 'the engine to place it';
  const where = short(view.machineID);
  if (view.releasing) return `${where} to hand it over`;
  const row = view.states.get(view.machineID);
  if (row === undefined || row.generation < view.generation)
    return view.wasLaunched && view.goal !== 'launched'
      ? `its end on ${where}`
      : `${where} to carry it out`;
  const words = `(${row.systemdActiveState}/${row.systemdSubState})`;
  if (view.goal === 'launched') return `systemd's job on ${where} ${words}`;
  return row.systemdLoadState === 'not-found'
    ? `systemd on ${where} to load it`
    : `its end on ${where} ${words}`;
}

/** The failure of a wait whose time is over: what is missing of whom, and why, as far as it is known. */
export function waitEnded(views: readonly UnitView[], timeoutMs: number): FleetError {
  const missing = views.slice(0, SAID_MAX).map((view) => {
    const [why] = view.pending;
    return `${view.name} waits for ${whatIsMissing(view)}${why === undefined ? '' : ` (${why})`}`;
  });
  if (views.length > SAID_MAX) missing.push(`and ${views.length - SAID_MAX} more`);
  return new FleetError(
    'WAIT_ENDED',
    `gave up after ${timeoutMs / 1000} s: ${missing.join('; ')}`,
    {
      hint: `It goes on by itself; see: fleetctl explain ${views[0]?.name ?? 'UNIT'}`,
    },
  );
}

function short(machineID: string): string {
  return machineID.slice(0, 8);
}
