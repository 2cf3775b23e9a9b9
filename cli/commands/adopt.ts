// adopt: units that run unknown to the store are taken into it, as they run.
import { FleetError, isFleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { inParallel } from '../parallel.ts';
import { placeName } from '../render/machine.ts';
import { nameOfArgument } from '../unit-argument.ts';
import { machinesWithPrefix } from '../where.ts';

/** Adopts each; one that cannot be does not stop the others. Answers 1 if one failed. */
export async function adopt(
  context: Context,
  args: readonly string[],
  machine: string | undefined,
): Promise<number> {
  const machineID = machine === undefined ? undefined : await machineIdOf(context, machine);
  const statuses = await inParallel([...new Set(args)], async (argument) => {
    try {
      await adoptOne(context, argument, machineID);
      return 0;
    } catch (error) {
      if (!isFleetError(error)) throw error;
      return report(error, context.stderr);
    }
  });
  return Math.max(0, ...statuses);
}

async function adoptOne(
  context: Context,
  argument: string,
  machineID: string | undefined,
): Promise<void> {
  const name = nameOfArgument(argument);
  const unit = await context.client.adoptUnit(name, machineID, context.signal);
  const where = unit.machineID === undefined ? '' : ` on ${placeName(unit.machineID, undefined)}`;
  context.stdout(`Adopted ${unit.global ? 'global unit' : 'unit'} ${name}${where}\n`);
}

async function machineIdOf(context: Context, prefix: string): Promise<string> {
  const ids = await machinesWithPrefix(context, prefix);
  const [id] = ids;
  if (id !== undefined && ids.length === 1) return id;
  const hint = 'See: fleetctl list-machines --full';
  if (ids.length > 1)
    throw new FleetError('USAGE', `'${prefix}' begins the ids of ${ids.length} machines`, { hint });
  throw new FleetError(
    'MACHINE_NOT_FOUND',
    `no machine that is present has an id that begins with '${prefix}'`,
    { hint },
  );
}
