// status and journal: what systemctl and journalctl say on the machine where the unit runs.
import type { V2Unit } from '../../src/api/types.ts';
import { systemdNameOf } from '../../src/unitfile/quadlet-name.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { missingUnit, orMissing } from '../missing-unit.ts';
import { shellText } from '../remote.ts';
import { findUnits, nameOfArgument } from '../unit-argument.ts';
import { machineIdOf, runOnMachine, type SystemdHere } from '../where.ts';

export interface JournalOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly output: string;
  readonly sudo: boolean;
}

/** A command for the systemd of its machine: `--user` where that is a user's. */
type CommandFor = (at: SystemdHere) => readonly string[];

/** `systemctl status -l` of each unit where it runs; the worst status of all. */
export async function status(
  context: Context,
  args: readonly string[],
  sshPort: number | undefined,
): Promise<number> {
  let worst = 0;
  for (const [i, { name, unit }] of (await findUnits(context, args)).entries()) {
    if (i > 0) context.stdout('\n');
    try {
      if (unit === undefined) throw await missingUnit(context, name);
      const command: CommandFor = ({ systemd }) => [
        'systemctl',
        ...(systemd === 'user' ? ['--user'] : []),
        'status',
        '-l',
        '--no-pager',
        '--',
        systemdNameOf(name),
      ];
      worst = Math.max(worst, await runAtUnit(context, unit, command, sshPort));
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
  sshPort: number | undefined,
): Promise<number> {
  const name = nameOfArgument(argument);
  const unit = await orMissing(context, name, context.client.unit(name, context.signal));
  const command: CommandFor = ({ systemd, journalDirectory }) => [
    ...(options.sudo ? ['sudo'] : []),
    'journalctl',
    ...(journalDirectory === undefined ? [] : ['--directory', journalDirectory]),
    ...(systemd === 'user' ? ['--user-unit'] : ['--unit']),
    systemdNameOf(name),
    '--no-pager',
    '-n',
    String(options.lines),
    '--output',
    options.output,
    ...(options.follow ? ['-f'] : []),
  ];
  return await runAtUnit(context, unit, command, sshPort);
}

async function runAtUnit(
  context: Context,
  unit: V2Unit,
  command: CommandFor,
  sshPort: number | undefined,
): Promise<number> {
  const { machineID } = await context.client.daemon(context.signal);
  return await runOnMachine(context, machineIdOf(unit, machineID), {
    here: command,
    there: { port: sshPort, command: shellText(command({ systemd: 'system' })) },
  });
}
