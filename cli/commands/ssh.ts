// ssh: a shell or a command on a machine, or on the one where a unit is.
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { missingUnit } from '../missing-unit.ts';
import { findUnit, nameOfArgument } from '../unit-argument.ts';
import { machineIdOf, onlyWithPrefix, presentMachines, runOnMachine } from '../where.ts';

export interface SshCommandOptions {
  /** Where to: instead of the first word. */
  readonly machine: string | undefined;
  readonly unit: string | undefined;
  readonly port: number | undefined;
  readonly forwardAgent: boolean;
}

/** Answers the command's own status. */
export async function ssh(
  context: Context,
  words: readonly string[],
  options: SshCommandOptions,
): Promise<number> {
  const { machine, unit, port, forwardAgent } = options;
  if (machine !== undefined && unit !== undefined)
    throw new FleetError('USAGE', '--machine and --unit exclude each other');
  const [target, command] =
    machine === undefined && unit === undefined
      ? [words[0], words.slice(1)]
      : [machine ?? unit, words];
  if (target === undefined || target === '')
    throw new FleetError('USAGE', 'no machine and no unit is given', {
      hint: 'Usage: fleetctl ssh [OPTION…] MACHINE|UNIT [COMMAND…]',
    });
  const id = await findMachine(context, target, { machine, unit });
  // As ssh does it: what is to be quoted for the far side's shell is the person's.
  const text = command.length === 0 ? undefined : command.join(' ');
  return await runOnMachine(context, id, {
    here: () =>
      text === undefined ? [context.env['SHELL'] ?? '/bin/sh', '-l'] : ['/bin/sh', '-c', text],
    there: { port, forwardAgent, command: text },
  });
}

async function findMachine(
  context: Context,
  target: string,
  { machine, unit }: Pick<SshCommandOptions, 'machine' | 'unit'>,
): Promise<string> {
  if (unit === undefined) {
    const one = onlyWithPrefix(await presentMachines(context), target);
    if (one !== undefined) return one.id;
  }
  const found = machine === undefined ? await findUnit(context, nameOfArgument(target)) : undefined;
  if (found !== undefined) {
    const { machineID } = await context.client.daemon(context.signal);
    return machineIdOf(found, machineID);
  }
  if (unit !== undefined) throw await missingUnit(context, nameOfArgument(unit));
  throw new FleetError(
    'MACHINE_NOT_FOUND',
    machine === undefined
      ? `'${target}' is neither a machine that is present nor a unit`
      : `no machine that is present has an id that begins with '${target}'`,
    { hint: 'See: fleetctl list-machines --full; fleetctl list-unit-files' },
  );
}
