// evict: a person says that an absent machine is gone for good.
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { placeName } from '../render/machine.ts';

/** hex digits; machine-id(5) */
const FULL_ID = 32;

/** Marks the machine; its units are placed elsewhere by the engine, which is not waited for. */
export async function evict(context: Context, argument: string): Promise<number> {
  const hint = 'See: fleetctl list-machines --full --fields machine,status';
  if (!/^[0-9a-f]{1,32}$/.test(argument))
    throw new FleetError(
      'USAGE',
      `'${argument}' is not the id of a machine, nor the beginning of one`,
      { hint },
    );
  const [machines, units] = await Promise.all([
    context.client.machines(context.signal),
    context.client.units(context.signal),
  ]);
  const found = machines.filter(({ id }) => id.startsWith(argument));
  if (found.length > 1)
    throw new FleetError('USAGE', `'${argument}' begins the ids of ${found.length} machines`, {
      hint,
    });
  if (found.length === 0 && argument.length < FULL_ID)
    throw new FleetError(
      'MACHINE_NOT_FOUND',
      `no machine has an id that begins with '${argument}'`,
      { hint },
    );
  // A full id goes as it is: the store may know more of a machine than this list shows.
  const { id } = await context.client.evictMachine(found[0]?.id ?? argument, context.signal);
  const count = units.filter(({ machineID }) => machineID === id).length;
  const what = count === 1 ? 'its 1 unit is' : `its ${count} units are`;
  const then = count === 0 ? '' : `; ${what} placed elsewhere where another machine may take them`;
  context.stdout(`Evicted machine ${placeName(id, undefined)}${then}\n`);
  return 0;
}
