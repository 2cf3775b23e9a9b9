// ssh: a command or a shell on a machine, or on the machine of a unit.
import type { V2Machine } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import { unitNameWithDefaultSuffix, parseUnitName } from '../../src/unitfile/name.ts';
import type { Context } from '../context.ts';
import { findUnit, nameOfArgument } from '../unit-argument.ts';
import { machineIdOf, presentMachine } from '../whereabouts.ts';

export interface SshTarget {
  /** Beginning of a machine's id. */
  readonly machine: string | undefined;
  readonly unit: string | undefined;
  readonly port: number | undefined;
  readonly forwardAgent: boolean;
}

/** Runs the command, or a shell, on a machine; answers its exit status. Without --machine and --unit the first word is either. */
export async function ssh(
  context: Context,
  words: readonly string[],
  { machine, unit, port, forwardAgent }: SshTarget,
): Promise<number> {
  if (machine !== undefined && unit !== undefined)
    throw new FleetError('USAGE', '--machine and --unit cannot both be given');
  const isNamed = machine !== undefined || unit !== undefined;
  const [first, ...others] = words;
  if (!isNamed && first === undefined)
    throw new FleetError('USAGE', 'ssh needs a MACHINE or a UNIT', {
      hint: 'See: fleetctl list-machines',
    });
  const command = withoutDashes(isNamed ? words : others);
  const found =
    machine !== undefined
      ? await machineNamed(context, machine)
      : unit !== undefined
        ? await machineOfUnit(context, unit)
        : await either(context, first ?? '');
  return await context.ssh.run({
    host: found.primaryIP ?? '',
    port,
    // As ssh(1) does: the far side's shell reads the words once more.
    command: command.length === 0 ? undefined : command.join(' '),
    forwardAgent,
  });
}

/** `ssh MACHINE -- COMMAND` is meant as ssh(1) reads it. */
function withoutDashes([first, ...others]: readonly string[]): readonly string[] {
  if (first === undefined) return [];
  return first === '--' ? others : [first, ...others];
}

async function either(context: Context, word: string): Promise<V2Machine> {
  const ofUnit = async (): Promise<V2Machine | undefined> => {
    if (parseUnitName(unitNameWithDefaultSuffix(word)).ok === undefined) return undefined;
    const unit = await findUnit(context, nameOfArgument(word));
    return unit === undefined ? undefined : await machineOfUnit(context, word);
  };
  const named = await machinesNamed(context, word);
  if (named.length > 0) return only(named, word);
  const found = await ofUnit();
  if (found !== undefined) return found;
  throw new FleetError('NOT_FOUND', `there is no machine and no unit '${word}'`, {
    hint: 'See: fleetctl list-machines; fleetctl list-units',
  });
}

async function machineNamed(context: Context, prefix: string): Promise<V2Machine> {
  const named = await machinesNamed(context, prefix);
  if (named.length > 0) return only(named, prefix);
  throw new FleetError('MACHINE_NOT_FOUND', `there is no machine '${prefix}'`, {
    hint: 'See: fleetctl list-machines',
  });
}

async function machinesNamed(context: Context, prefix: string): Promise<readonly V2Machine[]> {
  if (prefix === '') return [];
  const machines = await context.client.machines(context.signal);
  return machines.filter(({ id, status }) => status !== 'absent' && id.startsWith(prefix));
}

function only(machines: readonly V2Machine[], prefix: string): V2Machine {
  const [first, second] = machines;
  if (first !== undefined && second === undefined) return first;
  throw new FleetError('USAGE', `${machines.length} machines begin with '${prefix}'`, {
    hint: `Write more of it: ${machines.map(({ id }) => id).join(' ')}`,
  });
}

async function machineOfUnit(context: Context, argument: string): Promise<V2Machine> {
  const unit = await context.client.unit(nameOfArgument(argument), context.signal);
  const daemon = await context.client.daemon(context.signal);
  return await presentMachine(context, unit, machineIdOf(unit, daemon.machineID));
}
