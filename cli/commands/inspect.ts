// status and journal: what systemctl and journalctl say on the machine where the unit runs.
import type { V1Machine, V2Unit } from '../../src/api/types.ts';
import { FleetError } from '../../src/model/errors.ts';
import type { Context } from '../context.ts';
import { report } from '../exit.ts';
import { runAt, runHere, type SshOptions } from '../remote.ts';
import { nameOfArgument } from '../unit-argument.ts';

export interface JournalOptions {
  readonly lines: number;
  readonly follow: boolean;
  readonly output: string;
  readonly sudo: boolean;
}

/** `systemctl status -l` of each unit where it runs; the worst status of all. */
export async function status(
  context: Context,
  args: readonly string[],
  ssh: SshOptions,
): Promise<number> {
  let worst = 0;
  for (const [i, argument] of args.entries()) {
    try {
      if (i > 0) context.stdout('\n');
      const unit = await context.client.unit(nameOfArgument(argument), context.signal);
      const command = (scope: readonly string[]): string[] => [
        'systemctl',
        ...scope,
        'status',
        '-l',
        '--no-pager',
        unit.name,
      ];
      worst = Math.max(worst, await inspect(context, unit, command, ssh));
    } catch (error) {
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
  ssh: SshOptions,
): Promise<number> {
  const unit = await context.client.unit(nameOfArgument(argument), context.signal);
  const daemon = await context.client.daemon(context.signal);
  if (daemon.outputFile !== undefined) {
    const follow = options.follow ? ['-f'] : [];
    return await runHere(
      ['tail', '-n', String(options.lines), ...follow, daemon.outputFile],
      daemon,
    );
  }
  const command = (scope: readonly string[]): string[] => [
    ...(options.sudo ? ['sudo'] : []),
    'journalctl',
    ...(scope.length === 0 ? ['--unit', unit.name] : ['--user-unit', unit.name]),
    '--no-pager',
    '-n',
    String(options.lines),
    '--output',
    options.output,
    ...(options.follow ? ['-f'] : []),
  ];
  return await inspect(context, unit, command, ssh);
}

/** Runs what `command` gives for the scope of the far systemd, on the machine of `unit`. */
async function inspect(
  context: Context,
  unit: V2Unit,
  command: (scope: readonly string[]) => string[],
  ssh: SshOptions,
): Promise<number> {
  const machine = await machineOf(context, unit);
  const daemon = await context.client.daemon(context.signal);
  const scope = daemon.systemd === 'user' ? ['--user'] : [];
  const here = daemon.machineID === machine.id && (await context.localMachineId()) === machine.id;
  if (here || daemon.busAddress !== undefined) return await runHere(command(scope), daemon);
  return await runAt(context, { machineID: machine.id, ip: machine.primaryIP }, command([]), ssh);
}

async function machineOf(context: Context, unit: V2Unit): Promise<V1Machine> {
  const [row] = unit.states ?? [];
  const id = unit.machineID ?? row?.machineID;
  if (id === undefined)
    throw new FleetError('REQUEST_INVALID', `unit '${unit.name}' is on no machine`, {
      hint: `See why: fleetctl explain ${unit.name}`,
    });
  const machine = (await context.client.machines(context.signal)).find((found) => found.id === id);
  if (machine === undefined)
    throw new FleetError(
      'MACHINE_NOT_FOUND',
      `machine '${id}' of unit '${unit.name}' is not present`,
      {
        hint: 'See: fleetctl list-machines',
      },
    );
  return machine;
}
