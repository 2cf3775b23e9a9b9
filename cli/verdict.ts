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
  /** Reads the machines now, while there is nothing to say yet: units will be on one of them. */
  readMachines(): void;
  /** 1 when one has failed, else 0. */
  status(): number;
} {
  const names = new MachineNames(context);
  let status = 0;
  return {
    readMachines: () => names.readEarly(),
    status: () => status,
    say: async ({ name, goal }, verdict) => {
      const where =
        verdict.machineID === undefined ? '' : ` on ${await names.of(verdict.machineID)}`;
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

/** Machines by id: read when a line needs one, or before, and then once more for one that has come since. */
class MachineNames {
  readonly #context: Context;
  #known: Promise<ReadonlyMap<string, string>> | undefined;
  #isEarly = false;

  constructor(context: Context) {
    this.#context = context;
  }

  readEarly(): void {
    this.#isEarly = true;
    this.#known = addresses(this.#context);
    this.#known.catch(() => undefined); // whoever needs one hears of it
  }

  async of(machineID: string): Promise<string> {
    this.#known ??= addresses(this.#context);
    if (this.#isEarly && !(await this.#known).has(machineID)) {
      this.#isEarly = false;
      const before = await this.#known;
      this.#known = addresses(this.#context).then((now) => new Map([...before, ...now]));
    }
    return placeName(machineID, (await this.#known).get(machineID));
  }
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
