// How a machine is written: short id and address, as the original has it. Pure.
import { ellipsize } from './table.ts';

/** `85c0c595.../10.0.0.3`; without the address where the machine is not known. */
export function placeName(machineID: string, primaryIP: string | undefined, full = false): string {
  const id = ellipsize(machineID, full);
  return primaryIP === undefined || primaryIP === '' ? id : `${id}/${primaryIP}`;
}
