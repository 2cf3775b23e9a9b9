// The line that a blocking command prints when a unit is where it was wanted, or failed.
import { isFleetError } from '../src/model/errors.ts';
import type { Context } from './context.ts';
import type { Goal } from './goal.ts';
import { placeName } from './render/machine.ts';
import { paint } from './render/paint.ts';
import type { OnVerdict } from './wait.ts';

/** Says each verdict as it comes, and knows in the end whether one was a failure. */
export function sayVerdicts(context: Context): {
  readonly say: OnVerdict;
  /** 1 when one has failed, else 0. */
  status(): number;
} {
  const nameOf = machineNames(context);
  let status = 0;
  return {
    status: () => status,
    say: async ({ name, goal }, verdict) => {
      const where = verdict.machineID === undefined ? '' : ` on ${await nameOf(verdict.machineID)}`;
      if (verdict.kind === 'failed') {
        status = 1;
        const failed = paint('failed', 'red', context.colours.stderr);
        context.stderr(`Unit ${name} ${failed}${where}: ${verdict.reason}\n`);
        const check = verdict.isFileAtFault === true ? '; systemd-analyze verify FILE' : '';
        if (verdict.machineID !== undefined)
          context.stderr(`  See: fleetctl journal ${name}${check}\n`);
      } else if (goal === 'destroyed') context.stdout(`Destroyed ${name}\n`);
      else context.stdout(`Unit ${name} ${reachedWords(goal, where)}\n`);
    },
  };
}

/** As the original says it: a stopped unit is loaded, where there is a machine to load it. */
function reachedWords(goal: Goal, where: string): string {
  if (goal !== 'stopped') return `${goal}${where}`;
  return where === '' ? 'stopped, and on no machine' : `loaded${where}`;
}

/** Machines by id, read once and only when a line needs one. */
function machineNames(context: Context): (machineID: string) => Promise<string> {
  let known: Promise<ReadonlyMap<string, string>> | undefined;
  return async (machineID) => {
    known ??= addresses(context);
    return placeName(machineID, (await known).get(machineID));
  };
}

/** None where the API is out of reach: an address is not worth a failure. */
async function addresses(context: Context): Promise<ReadonlyMap<string, string>> {
  try {
    const machines = await context.client.machines(context.signal);
    return new Map(machines.map(({ id, primaryIP = '' }) => [id, primaryIP]));
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return new Map();
  }
}
