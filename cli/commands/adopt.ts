// adopt: units that run unknown to the store are taken into it, as they run.
import { isFleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { inParallel } from '../parallel.ts';
import { placeName } from '../render/machine.ts';
import { nameOfArgument } from '../unit-argument.ts';
import { machineWithPrefix, presentMachines } from '../where.ts';

/** Adopts each; one that cannot be does not stop the others. Answers 1 if one failed. */
export async function adopt(
  context: Context,
  args: readonly string[],
  machine: string | undefined,
): Promise<number> {
  const machineID =
    machine === undefined
      ? undefined
      : machineWithPrefix(await presentMachines(context), machine).id;
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
