// What this machine says of itself: id, address, name, size, and the version of fleet that runs on it.
// Invariant: a machine id is never invented in silence: it is the machine's own, or one that --standalone keeps.
import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, networkInterfaces, totalmem } from 'node:os';
import { join } from 'node:path';
import { createSocket } from 'node:dgram';
import { FleetError } from '../src/model/errors.ts';
import { parseMachineId, type MachineId } from '../src/model/machine.ts';
import type { Log } from '../src/runtime/log.ts';

/** Reads machine-id(5). Throws CONFIG_INVALID where there is none. */
export async function readMachineId(path = '/etc/machine-id'): Promise<MachineId> {
  const id = parseMachineId((await textOf(path)).trim());
  if (id !== undefined) return id;
  throw new FleetError('CONFIG_INVALID', `'${path}' holds no machine id`, {
    hint: 'Make one with: systemd-machine-id-setup',
  });
}

/** The machine's id; where it has none, one that is made once and kept in the state directory. */
export async function standaloneMachineId(
  stateDirectory: string,
  log: Log,
  path = '/etc/machine-id',
): Promise<MachineId> {
  const own = parseMachineId((await textOf(path)).trim());
  if (own !== undefined) return own;
  const kept = join(stateDirectory, 'machine-id');
  const before = parseMachineId((await textOf(kept)).trim());
  if (before !== undefined) return before;
  const made = randomUUID().replaceAll('-', '');
  await mkdir(stateDirectory, { recursive: true });
  await writeFile(kept, `${made}\n`);
  log.warn({ machine: made }, 'this machine has no machine-id, going on with one of our own');
  return await readMachineId(kept);
}

/** The address that a packet to far away would leave from (the routing table's choice; nothing is sent); else any that is not loopback. */
export async function primaryAddress(): Promise<string> {
  // An address of TEST-NET-1 (RFC 5737): connecting a UDP socket asks the routing table and sends nothing.
  const routed = await addressTowards('192.0.2.1');
  if (routed !== undefined) return routed;
  const others = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outward = others.filter(({ internal }) => !internal);
  const found = outward.find(({ family }) => family === 'IPv4') ?? outward[0];
  return found?.address ?? (await lookup('localhost')).address;
}

function addressTowards(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (found: string | undefined): void => {
      socket.close();
      resolve(found);
    };
    socket.once('error', () => end(undefined)); // no route
    socket.connect(9, address, () => end(socket.address().address));
  });
}

/** What this machine has. It takes a millisecond: Node reads a file of each processor. */
export function machineCapacity(): Readonly<{ cpus: number; memoryBytes: number }> {
  return { cpus: cpus().length, memoryBytes: totalmem() };
}

/** The kernel's id of this boot; '' where it has none. */
export async function bootId(): Promise<string> {
  return (await textOf('/proc/sys/kernel/random/boot_id')).trim();
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
