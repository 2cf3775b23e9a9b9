// status and journal: what systemctl and journalctl say on the machine where the unit runs.
import type { V2Daemon, V2Unit } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { environmentFor, shellCommand } from '../remote.ts';
import { findUnits, nameOfArgument } from '../unit-argument.ts';
import { machineIdOf, presentMachine } from '../whereabouts.ts';

export interface JournalOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly output: string;
  readonly sudo: boolean;
}

/** A command for the systemd of its machine: `--user` where that is a user's. */
type CommandFor = (daemon: Pick<V2Daemon, 'systemd' | 'journalDirectory'>) => readonly string[];

/** `systemctl status -l` of each unit where it runs; the worst status of all. */
export async function status(
  context: Context,
  args: readonly string[],
  port: number | undefined,
): Promise<number> {
  let worst = 0;
  for (const [i, { name, unit }] of (await findUnits(context, args)).entries()) {
    if (i > 0) context.stdout('\n');
    try {
      if (unit === undefined)
        throw new FleetError('UNIT_NOT_FOUND', `unit '${name}' does not exist`, {
          hint: 'See: fleetctl list-unit-files',
        });
      const command: CommandFor = ({ systemd }) => [
        'systemctl',
        ...(systemd === 'user' ? ['--user'] : []),
        'status',
        '-l',
        '--no-pager',
        '--',
        name,
      ];
      worst = Math.max(worst, await runAtUnit(context, unit, command, port));
    } catch (error) {
      context.signal.throwIfAborted();
      worst = Math.max(worst, report(error, context.stderr));
    }
  }
  return worst;
}

/** `journalctl` of a unit where it runs. */
export async function journal(
  context: Context,
  argument: string,
  options: JournalOptions,
  port: number | undefined,
): Promise<number> {
  const unit = await context.client.unit(nameOfArgument(argument), context.signal);
  const command: CommandFor = ({ systemd, journalDirectory }) => [
    ...(options.sudo ? ['sudo'] : []),
    'journalctl',
    ...(journalDirectory === undefined ? [] : ['--directory', journalDirectory]),
    ...(systemd === 'user' ? ['--user-unit'] : ['--unit']),
    unit.name,
    '--no-pager',
    '-n',
    String(options.lines),
    '--output',
    options.output,
    ...(options.follow ? ['-f'] : []),
  ];
  return await runAtUnit(context, unit, command, port);
}

/** Runs the command on the unit's machine: here without SSH when it is this one. */
async function runAtUnit(
  context: Context,
  unit: V2Unit,
  command: CommandFor,
  port: number | undefined,
): Promise<number> {
  const daemon = await context.client.daemon(context.signal);
  const id = machineIdOf(unit, daemon.machineID);
  // A fleetd that answers through a socket in the file system is on this machine.
  if (daemon.machineID === id && context.client.isLocal)
    return await context.spawn(command(daemon), environmentFor(daemon, context.env));
  if ((await localMachineId(context)) === id)
    return await context.spawn(command({ systemd: 'system' }), context.env);
  const { primaryIP = '' } = await presentMachine(context, unit, id);
  const remote = shellCommand(command({ systemd: 'system' }));
  return await context.ssh.run({ host: primaryIP, port, command: remote });
}

async function localMachineId(context: Context): Promise<string | undefined> {
  const bytes = await context.readFile('/etc/machine-id');
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8').trim();
}
