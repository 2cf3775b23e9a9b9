// Where a unit or a machine is, and how a command gets there: here without SSH, else through it.
import type { V2Daemon, V2Machine, V2Unit } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Child, Context, Io } from './context.ts';
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
  const here = await whenHere(context, id);
  if (here !== undefined) return await context.spawn(errand.here(here.at), here.env);
  return await context.ssh.run({ host: await addressOf(context, id), ...errand.there });
}

/** Starts it there in the same way, to be spoken with. */
export async function startOnMachine(context: Context, id: string, errand: Errand): Promise<Child> {
  const here = await whenHere(context, id);
  if (here !== undefined) return context.start(errand.here(here.at), here.env);
  return await context.ssh.start({ host: await addressOf(context, id), ...errand.there });
}

interface Here {
  readonly at: SystemdHere;
  readonly env: Io['env'];
}

/** How programs are run on the machine with that id when it is this one. */
async function whenHere(context: Context, id: string): Promise<Here | undefined> {
  const daemon = await context.client.daemon(context.signal);
  // A fleetd that answers through a socket in the file system is on this machine.
  if (daemon.machineID === id && context.client.isLocal)
    return { at: daemon, env: environmentFor(daemon, context.env) };
  const isHere = (await localMachineId(context)) === id;
  return isHere ? { at: { systemd: 'system' }, env: context.env } : undefined;
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

/** The machines that are present. */
export async function presentMachines(context: Context): Promise<readonly V2Machine[]> {
  const machines = await context.client.machines(context.signal);
  return machines.filter(({ status }) => status !== 'absent');
}

/** The machine whose id begins so; undefined where none does. Throws USAGE where several do. */
export function onlyWithPrefix(
  machines: readonly V2Machine[],
  prefix: string,
): V2Machine | undefined {
  const found = machines.filter(({ id }) => id.startsWith(prefix));
  if (found.length <= 1) return found[0];
  const named = found.slice(0, SAID_MAX).map(({ id }) => id);
  throw new FleetError('USAGE', `'${prefix}' begins the ids of ${found.length} machines`, {
    hint: `Give more of it; they are: ${named.join(', ')}`,
  });
}

/** The same, where it must be one. Throws MACHINE_NOT_FOUND. */
export function machineWithPrefix(machines: readonly V2Machine[], prefix: string): V2Machine {
  const found = prefix === '' ? undefined : onlyWithPrefix(machines, prefix);
  if (found !== undefined) return found;
  const problem = `no machine that is present has an id that begins with '${prefix}'`;
  throw new FleetError('MACHINE_NOT_FOUND', problem, {
    hint: 'See: fleetctl list-machines --full',
  });
}

/** ids that a hint names. */
const SAID_MAX = 5;

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
