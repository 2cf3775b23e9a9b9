// Where a unit is: the machine that a command for it goes to.
import type { V2Machine, V2Unit } from '../src/api/types.ts';
import { FleetError } from '../src/model/errors.ts';
import type { Context } from './context.ts';

/** The machine's id; of a global unit, the machine at hand if it runs there. */
export function machineIdOf(unit: V2Unit, atHand: string): string {
  const rows = unit.states ?? [];
  const row = rows.find(({ machineID }) => machineID === atHand) ?? rows[0];
  const id = unit.machineID ?? row?.machineID;
  if (id !== undefined) return id;
  throw new FleetError('REQUEST_INVALID', `unit '${unit.name}' is on no machine`, {
    hint: `See why: fleetctl explain ${unit.name}`,
  });
}

/** The machine of that id. MACHINE_NOT_FOUND when it is not present. */
export async function presentMachine(
  context: Context,
  unit: V2Unit,
  id: string,
): Promise<V2Machine> {
  const machines = await context.client.machines(context.signal);
  const machine = machines.find((found) => found.id === id);
  if (machine !== undefined && machine.status !== 'absent') return machine;
  throw new FleetError(
    'MACHINE_NOT_FOUND',
    `machine '${id}' of unit '${unit.name}' is not present`,
    { hint: 'See: fleetctl list-machines --fields machine,ip,status' },
  );
}
