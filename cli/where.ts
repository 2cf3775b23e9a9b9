// Where a unit or a machine is, and how a command gets there: here without SSH, else through it.
import type { V2Daemon, V2Machine, V2Unit } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Context } from './context.ts';
import { environmentFor, type SshCall } from './remote.ts';

/** What to run on a machine: as words here, where a shell is not needed, and as SSH has it elsewhere. */
export interface Errand {
  /** For the systemd of this machine. */
  readonly here: (at: SystemdHere) => readonly string[];
  readonly there: Omit<SshCall, 'host'>;
}

/** Which systemd of this machine, and where its journal is. */
export type SystemdHere = Pick<V2Daemon, 'systemd' | 'journalDirectory'>;

/** Runs it on the machine with that id: here without SSH when it is this one. */
export async function runOnMachine(context: Context, id: string, errand: Errand): Promise<number> {
  const daemon = await context.client.daemon(context.signal);
  // A fleetd that answers through a socket in the file system is on this machine.
  if (daemon.machineID === id && context.client.isLocal)
    return await context.spawn(errand.here(daemon), environmentFor(daemon, context.env));
  if ((await localMachineId(context)) === id)
    return await context.spawn(errand.here({ systemd: 'system' }), context.env);
  return await context.ssh.run({ host: await addressOf(context, id), ...errand.there });
}

/** Where the unit is; of a global unit, the machine at hand if it runs there. */
export function machineIdOf(unit: V2Unit, atHand: string): string {
  const rows = unit.states ?? [];
  const row = rows.find(({ machineID }) => machineID === atHand) ?? rows[0];
  const id = unit.machineID ?? row?.machineID;
  if (id !== undefined) return id;
  throw new FleetError('REQUEST_INVALID', `unit '${unit.name}' is on no machine`, {
    hint: `See why: fleetctl explain ${unit.name}`,
  });
}

/** The ids of the machines that are present and begin so. */
export async function machinesWithPrefix(
  context: Context,
  prefix: string,
): Promise<readonly string[]> {
  const machines = await context.client.machines(context.signal);
  return machines
    .filter(({ id, status }) => status !== 'absent' && id.startsWith(prefix))
    .map(({ id }) => id);
}

async function addressOf(context: Context, id: string): Promise<string> {
  const machines = await context.client.machines(context.signal);
  const machine: V2Machine | undefined = machines.find((found) => found.id === id);
  const hint = 'See: fleetctl list-machines --fields machine,ip,status';
  if (machine === undefined || machine.status === 'absent')
    throw new FleetError('MACHINE_NOT_FOUND', `machine '${id}' is not present`, { hint });
  const { primaryIP = '' } = machine;
  if (primaryIP === '')
    throw new FleetError('MACHINE_NOT_FOUND', `machine '${id}' has no address`, {
      hint: 'Set public_ip in its fleet.conf.',
    });
  return primaryIP;
}

async function localMachineId(context: Context): Promise<string | undefined> {
  const bytes = await context.files.read('/etc/machine-id');
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8').trim();
}
